# RFC 2177 section 3: IDLE with nothing selected waits as well.
login A
C: a IDLE
S: + {{.*}}
C: DONE
S: a OK {{.*}}
