# RFC 3501 section 2.3.2: \Recent cannot be set: it is passed over, as in what is migrated from elsewhere.
include three_messages
C: a STORE 1 FLAGS (\Seen \Recent)
S: * 1 FETCH (UID 1 FLAGS (\Seen \Recent))
S: a OK {{.*}}
C: x STORE 1 -FLAGS.SILENT (\Recent)
S: x OK {{.*}}
C: b STORE 1 +FLAGS (\Nosuch)
S: b {{NO|BAD}} {{.*}}
C: c FETCH 1 FLAGS
S: * 1 FETCH (FLAGS (\Seen \Recent))
S: c OK {{.*}}
