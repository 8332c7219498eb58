# RFC 9051 section 6.4.6: +FLAGS adds, -FLAGS removes, what is there already is no error.
include three_messages
C: a STORE 1 +FLAGS (\Flagged)
S: * 1 FETCH (UID 1 FLAGS (\Flagged \Seen \Recent))
S: a OK {{.*}}
C: b STORE 1 -FLAGS (\Seen)
S: * 1 FETCH (UID 1 FLAGS (\Flagged \Recent))
S: b OK {{.*}}
C: c STORE 1 +FLAGS.SILENT (\Flagged)
S: c OK {{.*}}
C: d STORE 1 -FLAGS.SILENT (\Answered)
S: d OK {{.*}}
C: e FETCH 1 FLAGS
S: * 1 FETCH (FLAGS (\Flagged \Recent))
S: e OK {{.*}}
