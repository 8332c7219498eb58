# RFC 9051 section 6.4.6: what cannot be read is BAD, and changes nothing.
include three_messages
C: a STORE 1 FLAGS
S: a BAD {{.*}}
C: b STORE 1 *FLAGS (\Seen)
S: b BAD {{.*}}
C: c STORE x FLAGS (\Seen)
S: c BAD {{.*}}
C: d STORE 4 FLAGS (\Seen)
S: d BAD {{.*}}
C: e STORE 2 +FLAGS (\Seen
S: e BAD {{.*}}
C: f STORE 2 +FLAGS.LOUD (\Seen)
S: f BAD {{.*}}
C: g FETCH 2 FLAGS
S: * 2 FETCH (FLAGS (\Flagged \Recent $work))
S: g OK {{.*}}
