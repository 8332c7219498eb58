# RFC 9051 section 6.2.3: user and password as atom, quoted, literal.
connect A
S: * OK {{.*}}
C: a LOGIN "${user}" "${password}"
S: a OK {{.*}}
connect B
S: * OK {{.*}}
C: b LOGIN ${user}
S: b BAD {{.*}}
C: c LOGIN
S: c BAD {{.*}}
C: d LOGIN ${user} ${password} x
S: d BAD {{.*}}
