import java.net.*;
import java.net.http.*;

/** Arguments: client | connection | socks, URL, and the proxy's host, port, user name and password. */
class Fetch {
	public static void main(String[] given) throws Exception {
		String kind = given[0], host = given[2], user = given[4], password = given[5];
		URI url = URI.create(given[1]);
		int port = Integer.parseInt(given[3]);
		Authenticator login = new Authenticator() {
			@Override
			protected PasswordAuthentication getPasswordAuthentication() {
				return new PasswordAuthentication(user, password.toCharArray());
			}
		};
		if (kind.equals("client")) {
			HttpClient client = HttpClient.newBuilder().proxy(ProxySelector.of(new InetSocketAddress(host, port))).authenticator(login).build();
			System.out.println(client.send(HttpRequest.newBuilder(url).build(), HttpResponse.BodyHandlers.ofString()).body());
			return;
		}
		Authenticator.setDefault(login);
		Proxy.Type type = kind.equals("socks") ? Proxy.Type.SOCKS : Proxy.Type.HTTP;
		URLConnection connection = url.toURL().openConnection(new Proxy(type, new InetSocketAddress(host, port)));
		connection.getInputStream().transferTo(System.out);
	}
}
