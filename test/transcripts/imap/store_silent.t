# RFC 9051 section 6.4.6: .SILENT tells nothing of the messages themselves.
include three_messages
C: a STORE 1:3 FLAGS.SILENT (\Seen)
S: a OK {{.*}}
C: b FETCH 1:3 FLAGS
S: * 1 FETCH (FLAGS (\Seen \Recent))
S: * 2 FETCH (FLAGS (\Seen \Recent))
S: * 3 FETCH (FLAGS (\Seen \Recent))
S: b OK {{.*}}
