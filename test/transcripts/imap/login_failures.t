connect A
S: * OK {{.*}}
C: a LOGIN ${user} wrong
S: a NO [AUTHENTICATIONFAILED] {{.*}}
C: b AUTHENTICATE NONSENSE
S: b NO [CANNOT] {{.*}}
C: c AUTHENTICATE PLAIN
S: + {{ *}}
C: *
S: c BAD {{.*}}
C: d AUTHENTICATE PLAIN !!!
S: d BAD {{.*}}
C: e AUTHENTICATE PLAIN
S: + {{ *}}
C: ${plain}
S: e OK [CAPABILITY {{.*}}] Logged in
