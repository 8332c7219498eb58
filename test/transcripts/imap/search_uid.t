# RFC 9051 section 6.4.9: UID SEARCH answers with UIDs; after an EXPUNGE numbers and UIDs differ.
include three_messages
C: a UID SEARCH ALL
S: * SEARCH 1 2 3
S: a OK {{.*}}
C: b STORE 1 +FLAGS.SILENT (\Deleted)
S: b OK {{.*}}
C: c UID EXPUNGE 1
S: * 1 EXPUNGE
S~ c OK {{.*}}
C: d SEARCH ALL
S: * SEARCH 1 2
S: d OK {{.*}}
C: e UID SEARCH ALL
S: * SEARCH 2 3
S: e OK {{.*}}
C: f UID SEARCH 1
S: * SEARCH 2
S: f OK {{.*}}
C: g SEARCH UID 3
S: * SEARCH 2
S: g OK {{.*}}
