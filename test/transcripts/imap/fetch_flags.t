# RFC 9051 section 6.4.5: FLAGS.
include three_messages
C: f0 FETCH 1 FLAGS
S: * 1 FETCH (FLAGS (\Seen \Recent))
S: f0 OK {{.*}}
C: f1 FETCH 2 FLAGS
S: * 2 FETCH (FLAGS (\Flagged \Recent $work))
S: f1 OK {{.*}}
