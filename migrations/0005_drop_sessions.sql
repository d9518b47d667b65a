-- Open client connections are asked of the pool itself: nothing reads them here any more.
DROP TABLE IF EXISTS sessions;
