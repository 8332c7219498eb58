# RFC 9051 section 6.3.9: \HasChildren and \HasNoChildren.
login A
C: a CREATE p/c
S: a OK {{.*}}
C: b LIST "" p*
S: * LIST ({{(?=.*Noselect)(?=.*HasChildren).*}}) "/" p
S: * LIST ({{.*}}\HasNoChildren{{.*}}) "/" p/c
S: b OK {{.*}}
C: c CREATE p
S: c OK {{.*}}
C: d LIST "" p
S: * LIST ({{(?!.*Noselect)(?=.*HasChildren).*}}) "/" p
S: d OK {{.*}}
C: e DELETE p/c
S: e OK {{.*}}
C: f LIST "" p*
S: * LIST ({{.*}}\HasNoChildren{{.*}}) "/" p
S: f OK {{.*}}
