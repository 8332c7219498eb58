# Many commands in one piece; answers in order.
login A
C- a NOOP\r\nb SELECT INBOX\r\nc STATUS Trash (MESSAGES)\r\nd APPEND INBOX {3+}\r\nOne\r\ne FETCH 1 FLAGS\r\nf LOGOUT\r\ng NOOP\r\n
S: a OK Done
S~ b OK [READ-WRITE] Selected
S: * STATUS Trash (MESSAGES 0)
S: c OK Done
S~ d OK [APPENDUID {{.*}} 1] Appended
S: * 1 FETCH (FLAGS ({{.*}}))
S: e OK Fetched
S: * BYE Goodbye
S: f OK Logged out
S$
