option imap_login_timeout = 1s
option imap_idle_timeout = 2s
connect A
S: * OK {{.*}}
S: * BYE Too long without login
S$
login B
C: a IDLE
S: + idling
S: * BYE Too long without a command
S$
