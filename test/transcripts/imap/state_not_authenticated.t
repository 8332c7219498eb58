# RFC 9051 section 3: before login there is none of these commands.
connect A
S: * OK {{.*}}
C: a0 SELECT INBOX
S: a0 BAD {{.*}}
C: a1 EXAMINE INBOX
S: a1 BAD {{.*}}
C: a2 CREATE x
S: a2 BAD {{.*}}
C: a3 DELETE x
S: a3 BAD {{.*}}
connect B
S: * OK {{.*}}
C: a0 RENAME x y
S: a0 BAD {{.*}}
C: a1 SUBSCRIBE x
S: a1 BAD {{.*}}
C: a2 UNSUBSCRIBE x
S: a2 BAD {{.*}}
C: a3 LIST "" *
S: a3 BAD {{.*}}
connect C
S: * OK {{.*}}
C: a0 LSUB "" *
S: a0 BAD {{.*}}
C: a1 NAMESPACE
S: a1 BAD {{.*}}
C: a2 STATUS INBOX (MESSAGES)
S: a2 BAD {{.*}}
C: a3 IDLE
S: a3 BAD {{.*}}
connect D
S: * OK {{.*}}
C: a0 ENABLE CONDSTORE
S: a0 BAD {{.*}}
C: a1 FETCH 1 UID
S: a1 BAD {{.*}}
C: a2 STORE 1 FLAGS ()
S: a2 BAD {{.*}}
C: a3 SEARCH ALL
S: a3 BAD {{.*}}
connect E
S: * OK {{.*}}
C: a0 COPY 1 x
S: a0 BAD {{.*}}
C: a1 MOVE 1 x
S: a1 BAD {{.*}}
C: a2 EXPUNGE
S: a2 BAD {{.*}}
C: a3 CLOSE
S: a3 BAD {{.*}}
connect F
S: * OK {{.*}}
C: a0 UNSELECT
S: a0 BAD {{.*}}
C: a1 CHECK
S: a1 BAD {{.*}}
C: a2 UID FETCH 1 UID
S: a2 BAD {{.*}}
