# ESEARCH tells the modseq of what it returns; CONDSTORE is answered where a FETCH enables it.
login A
C: a APPEND INBOX {3+}
C: One
S~ a OK {{.*}}
C: b APPEND INBOX {3+}
C: Two
S~ b OK {{.*}}
C: c APPEND INBOX {5+}
C: Three
S~ c OK {{.*}}
C: d SELECT INBOX
S~ * OK [HIGHESTMODSEQ {{[0-9]+}}] Ok
S~ d OK [READ-WRITE] Selected
C: e STORE 1 +FLAGS.SILENT ($x)
S~ e OK Stored
C: f STORE 3 +FLAGS.SILENT ($x)
S~ f OK Stored
C: g STORE 2 +FLAGS.SILENT ($x)
S~ g OK Stored
C: h FETCH 1:3 (MODSEQ)
S: * OK [HIGHESTMODSEQ {{[0-9]+}}] Highest
S: * 1 FETCH (MODSEQ ({{one=[0-9]+}}))
S: * 2 FETCH (MODSEQ ({{two=[0-9]+}}))
S: * 3 FETCH (MODSEQ ({{three=[0-9]+}}))
S: h OK Fetched
C: i SEARCH RETURN (MIN) 1:3 MODSEQ 1
S~ * ESEARCH (TAG "i") MIN 1 MODSEQ ${one}
S: i OK Searched
C: j SEARCH RETURN (MAX) 1:3 MODSEQ 1
S: * ESEARCH (TAG "j") MAX 3 MODSEQ ${three}
S: j OK Searched
C: k SEARCH RETURN (MIN MAX) 1:3 MODSEQ 1
S: * ESEARCH (TAG "k") MIN 1 MAX 3 MODSEQ ${three}
S: k OK Searched
C: l SEARCH RETURN (MIN COUNT) 1:3 MODSEQ 1
S: * ESEARCH (TAG "l") MIN 1 COUNT 3 MODSEQ ${two}
S: l OK Searched
C: m SEARCH YOUNGER 0
S: m BAD {{.*}}
C: n SEARCH RETURN (COUNT) YOUNGER 600 SAVEDATESUPPORTED
S: * ESEARCH (TAG "n") COUNT 3
S: n OK Searched
C: o SEARCH OLDER 0
S: o BAD {{.*}}
