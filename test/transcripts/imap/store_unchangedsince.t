# RFC 7162 section 3.1.3: who is later than UNCHANGEDSINCE is left alone and named by MODIFIED.
include three_messages
C: a FETCH 1:2 (MODSEQ)
S: * OK [HIGHESTMODSEQ {{[0-9]+}}] {{.*}}
S: * 1 FETCH (MODSEQ ({{one=[0-9]+}}))
S: * 2 FETCH (MODSEQ ({{two=[0-9]+}}))
S: a OK {{.*}}
C: b STORE 1,2 (UNCHANGEDSINCE ${one}) +FLAGS.SILENT (\Answered)
S: * 1 FETCH (UID 1 MODSEQ ({{[0-9]+}}))
S: b OK [MODIFIED 2] {{.*}}
C: c FETCH 2 FLAGS
S: * 2 FETCH (FLAGS (\Flagged \Recent $work))
S: c OK {{.*}}
C: d UID STORE 2 (UNCHANGEDSINCE ${two}) +FLAGS.SILENT (\Answered)
S: * 2 FETCH (UID 2 MODSEQ ({{[0-9]+}}))
S: d OK {{Stored.*}}
C: e STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\Answered)
S: e OK [MODIFIED 1] {{.*}}
