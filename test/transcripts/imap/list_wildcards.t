# RFC 9051 section 6.3.9: % stops at a delimiter, * does not.
login A
C: a CREATE w/x/y
S: a OK {{.*}}
C: b LIST "" w%
S: * LIST ({{.*}}) "/" w
S: b OK {{.*}}
C: c LIST "" w/%
S: * LIST ({{.*}}) "/" w/x
S: c OK {{.*}}
C: d LIST "" w*
S: * LIST ({{.*}}) "/" w
S: * LIST ({{.*}}) "/" w/x
S: * LIST ({{.*}}) "/" w/x/y
S: d OK {{.*}}
C: e LIST "" w/%/%
S: * LIST ({{.*}}) "/" w/x/y
S: e OK {{.*}}
C: f LIST "" *y
S: * LIST ({{.*}}) "/" w/x/y
S: f OK {{.*}}
C: g LIST w/ x*
S: * LIST ({{.*}}) "/" w/x
S: * LIST ({{.*}}) "/" w/x/y
S: g OK {{.*}}
