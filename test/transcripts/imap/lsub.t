# RFC 3501 section 6.3.9: LSUB tells what is subscribed.
login A
C: a CREATE n1
S: a OK {{.*}}
C: b SUBSCRIBE n1
S: b OK {{.*}}
C: c LSUB "" n%
S: * LSUB ({{.*}}) "/" n1
S: c OK {{.*}}
C: d UNSUBSCRIBE n1
S: d OK {{.*}}
C: e LSUB "" n%
S: e OK {{.*}}
C: f UNSUBSCRIBE n1
S: f {{OK|NO}} {{.*}}
