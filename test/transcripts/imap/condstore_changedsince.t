# RFC 7162 section 3.1.4.1: FETCH with CHANGEDSINCE tells MODSEQ, and of nothing else.
include three_messages
C: a STORE 2 +FLAGS.SILENT (\Seen)
S: a OK {{.*}}
C: b FETCH 1:3 (MODSEQ)
S: * OK [HIGHESTMODSEQ {{[0-9]+}}] {{.*}}
S: * 1 FETCH (MODSEQ ({{one=[0-9]+}}))
S: * 2 FETCH (MODSEQ ({{two=[0-9]+}}))
S: * 3 FETCH (MODSEQ ({{three=[0-9]+}}))
S: b OK {{.*}}
C: c FETCH 1:3 (FLAGS) (CHANGEDSINCE ${three})
S: * 2 FETCH ({{(?=.*FLAGS)(?=.*MODSEQ).*}})
S: c OK {{.*}}
C: d FETCH 1:3 (FLAGS) (CHANGEDSINCE ${two})
S: d OK {{.*}}
C: e FETCH 1:3 (FLAGS) (CHANGEDSINCE x)
S: e BAD {{.*}}
