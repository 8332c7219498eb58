# The store dies: sessions are opened again, the mailbox is selected again, nothing else is seen.
login A
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b APPEND INBOX {5+}
C- Hello\r\n
S~ b OK [APPENDUID {{.*}} 1] Appended
kill store
C: c NOOP
S: c OK Done
C: d FETCH 1 (UID BODY.PEEK[])
S: * 1 FETCH (UID 1 BODY[] {5}
S: Hello)
S: d OK Fetched
login B
CB: a APPEND INBOX {5+}
CB- Again\r\n
SB: a OK [APPENDUID {{.*}} 2] Appended
use A
C: e NOOP
S: * 2 EXISTS
S: * {{[0-9]}} RECENT
S: e OK Done
C: f IDLE
S: + idling
kill store
CB: b APPEND INBOX {5+}
CB- Third\r\n
SB: b OK [APPENDUID {{.*}} 3] Appended
S: * 3 EXISTS
S: * {{[0-9]}} RECENT
C: DONE
S: f OK {{.*}}
kill directory
C: g CREATE Later
S: g OK Done
