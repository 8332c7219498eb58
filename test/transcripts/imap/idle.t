login A
C: a IDLE
S: + idling
C: done
S: a OK {{.*}}
C: b IDLE
S: + idling
C: NOOP
S: b BAD Expected DONE
C: c IDLE x
S: c BAD {{.*}}
C: d SELECT INBOX
S~ d OK {{.*}}
C: e IDLE
S: + idling
C- DO
C- NE\r\nf NOOP\r\n
S: e OK {{.*}}
S: f OK Done
