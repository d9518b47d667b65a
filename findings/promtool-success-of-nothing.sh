#!/bin/sh
# promtool and Prometheus 2.42.0 (Debian 12: prometheus 2.42.0+ds-5+deb12u1), seen on 2026-11-30.
# Guess: `promtool check metrics` refuses a text that gives one series twice, a histogram whose buckets fall or that has no `+Inf`, and no text at all;
#        `promtool test rules` fails where its rule files are not there, and where it is asked of an alert that no rule has.
# Fact:  each of these ends with 0, the tests with SUCCESS. Prometheus itself keeps the first of the two and drops the other, as it says in its log.
#        `curl … | promtool check metrics` passes where curl fails; "no such alert is firing" passes for a misspelt name. Each wants a check of its own.
# Seen:  series twice: exit 0
#        histogram, buckets fall, no +Inf: exit 0
#        nothing: exit 0
#        a label twice: exit 1
#        test, no rule file matches: exit 0, SUCCESS
#        test, misspelt alert, none expected: exit 0, SUCCESS
#        test, misspelt alert, one expected: exit 1, FAILED
#        Prometheus of the series given as 1 and 2: 1
set -eu
command -v promtool >/dev/null || apt-get install -qq -y --no-install-recommends prometheus
command -v python3 >/dev/null || apt-get install -qq -y --no-install-recommends python3
folder=$(mktemp -d)
started=
trap '[ -z "$started" ] || kill $started; rm -rf "$folder"' EXIT
cd "$folder"
check() { # A name; the text comes from standard input.
	code=0
	promtool check metrics >/dev/null 2>&1 || code=$?
	echo "$1: exit $code"
}
tests() { # A name, the rule files, the alert and what is expected of it.
	cat >tests.yml <<YML
rule_files: ["$2"]
tests:
  - input_series: [{ series: 'up{job="a"}', values: "0x10" }]
    alert_rule_test: [{ eval_time: 10m, alertname: $3, exp_alerts: [$4] }]
YML
	code=0
	promtool test rules tests.yml >told 2>&1 || code=$?
	echo "$1: exit $code, $(grep -oE 'SUCCESS|FAILED' told | head -n 1)"
}
cat >rules.yml <<'YML'
groups: [{ name: a, rules: [{ alert: Down, expr: up == 0 }] }]
YML
{
	printf '# HELP a_total A.\n# TYPE a_total counter\na_total{b="c"} 1\na_total{b="c"} 2\n' | tee metrics | check "series twice"
	printf '# HELP a_seconds A.\n# TYPE a_seconds histogram\na_seconds_bucket{le="1"} 5\na_seconds_bucket{le="2"} 3\na_seconds_count 5\na_seconds_sum 1\n' |
		check "histogram, buckets fall, no +Inf"
	printf '' | check "nothing"
	printf '# HELP a_total A.\n# TYPE a_total counter\na_total{b="c",b="d"} 1\n' | check "a label twice"
	tests "test, no rule file matches" "nosuch-*.yml" Down ""
	tests "test, misspelt alert, none expected" rules.yml Dwon ""
	tests "test, misspelt alert, one expected" rules.yml Dwon "{ exp_labels: { job: a } }"
} >seen
cat >site.py <<'PY'
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import socket

SimpleHTTPRequestHandler.log_message = lambda *_: None
SimpleHTTPRequestHandler.extensions_map[""] = "text/plain"
server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory="."))
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
open("prometheus.yml", "w").write(
    "scrape_configs: [{job_name: a, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:%d']}]}]\n" % server.server_port
)
open("port", "w").write("%d\n" % port)
server.serve_forever()
PY
python3 site.py &
started=$!
until [ -s port ]; do sleep 0.1; done
port=$(cat port)
prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port" >log 2>&1 &
started="$started $!"
value=
for _ in $(seq 60); do
	value=$(promtool query instant "http://127.0.0.1:$port" a_total 2>/dev/null | sed -n 's/.*=> \([0-9]*\) .*/\1/p') || true
	[ -z "$value" ] || break
	sleep 0.5
done
echo "Prometheus of the series given as 1 and 2: $value" >>seen
cat seen
cat >stated <<'TXT'
series twice: exit 0
histogram, buckets fall, no +Inf: exit 0
nothing: exit 0
a label twice: exit 1
test, no rule file matches: exit 0, SUCCESS
test, misspelt alert, none expected: exit 0, SUCCESS
test, misspelt alert, one expected: exit 1, FAILED
Prometheus of the series given as 1 and 2: 1
TXT
cmp -s seen stated
echo "as stated"
