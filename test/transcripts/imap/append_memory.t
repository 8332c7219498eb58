# Messages beyond the memory for them wait for their turn; nobody is turned away.
option imap_memory_total = 1M
login A
login B
CA: a APPEND INBOX {1000000}
SA: + OK
CB: a APPEND INBOX {100000}
CB- Subject: waits
CA- Subject: x\r\n\r\n
close A
SB: + OK
CB- \r\n
CB: b
close B
login C
CC: a APPEND INBOX {500000}
SC: + OK
login D
CD: a APPEND INBOX {3+}
CD: One
SD~ a OK [APPENDUID {{.*}}] Appended
CD: b APPEND INBOX {200000}
CD- 
use C
CC- Subject: y
close C
SD: + OK
