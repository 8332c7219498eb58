# RFC 9051 section 3: with nothing selected there is none of these commands.
login A
C: a0 FETCH 1 UID
S: a0 BAD {{.*}}
C: a1 STORE 1 FLAGS ()
S: a1 BAD {{.*}}
C: a2 SEARCH ALL
S: a2 BAD {{.*}}
C: n2 NOOP
S: n2 OK {{.*}}
C: a3 COPY 1 Sent
S: a3 BAD {{.*}}
C: a4 MOVE 1 Sent
S: a4 BAD {{.*}}
C: a5 EXPUNGE
S: a5 BAD {{.*}}
C: n5 NOOP
S: n5 OK {{.*}}
C: a6 CLOSE
S: a6 BAD {{.*}}
C: a7 UNSELECT
S: a7 BAD {{.*}}
C: a8 CHECK
S: a8 BAD {{.*}}
C: n8 NOOP
S: n8 OK {{.*}}
C: a9 UID FETCH 1 UID
S: a9 BAD {{.*}}
C: a10 UID STORE 1 FLAGS ()
S: a10 BAD {{.*}}
C: a11 UID SEARCH ALL
S: a11 BAD {{.*}}
C: n11 NOOP
S: n11 OK {{.*}}
C: a12 UID COPY 1 Sent
S: a12 BAD {{.*}}
C: a13 UID MOVE 1 Sent
S: a13 BAD {{.*}}
C: a14 UID EXPUNGE 1
S: a14 BAD {{.*}}
C: n14 NOOP
S: n14 OK {{.*}}
