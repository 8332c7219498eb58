# RFC 4315 section 2.1: UID EXPUNGE removes what is \Deleted among these UIDs only.
include three_messages
C: a STORE 1 +FLAGS.SILENT (\Deleted)
S: a OK {{.*}}
C: b UID EXPUNGE 2:3
S: * 3 EXPUNGE
S~ b OK {{.*}}
C: c FETCH 1:2 (UID FLAGS)
S: * 1 FETCH (UID 1 FLAGS (\Deleted \Seen \Recent))
S: * 2 FETCH (UID 2 FLAGS (\Flagged \Recent $work))
S: c OK {{.*}}
C: d UID EXPUNGE 99
S: d OK {{.*}}
C: e UID EXPUNGE
S: e BAD {{.*}}
