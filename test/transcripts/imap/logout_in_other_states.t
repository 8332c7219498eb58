connect A
S: * OK {{.*}}
C: a LOGOUT
S: * BYE {{.*}}
S: a OK {{.*}}
S$
login B
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b UNSELECT
S: b OK Deselected
C: c CLOSE
S: c BAD Select a mailbox first
C: d SELECT INBOX
S~ d OK [READ-WRITE] Selected
C: e CHECK
S: e OK Done
C: f CLOSE
S: f OK Deselected
C: g ID NIL
S: * ID ("name" "postkasse" {{.*}})
S: g OK {{.*}}
C: h ID ("name" "x" "os" NIL)
S: * ID {{.*}}
S: h OK {{.*}}
