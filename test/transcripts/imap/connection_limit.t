option connections_per_mailbox = 2
login A
login B
connect C
S: * OK {{.*}}
C: a LOGIN ${user} ${password}
S: a NO [LIMIT] {{.*}}
CA: a LOGOUT
SA~ a OK Logged out
C: b LOGIN ${user} ${password}
S: b OK [CAPABILITY {{.*}}] Logged in
