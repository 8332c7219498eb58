# Wrong logins are answered later and later, a right one is never refused: not after many wrong ones
# from the same address, neither on the same connection nor on another.
connect A
S: * OK {{.*}}
C: a LOGIN ${user} wrong
S: a NO [AUTHENTICATIONFAILED] {{.*}}
C: b LOGIN ${user} wrong
S: b NO [AUTHENTICATIONFAILED] {{.*}}
C: c LOGIN ${user} wrong
S: c NO [AUTHENTICATIONFAILED] {{.*}}
C: d LOGIN ${user} ${password}
S: d OK [CAPABILITY {{.*}}] Logged in
