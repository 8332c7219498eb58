# RFC 9051 section 4.3: quoted strings with \\ and \" inside, and nothing else escaped.
login A
C: a CREATE "with \"quotes\""
S: a OK {{.*}}
C: b LIST "" with*
S: * LIST ({{.*}}) "/" "with \"quotes\""
S: b OK {{.*}}
C: c CREATE "back\\slash"
S: c OK {{.*}}
C: d LIST "" back*
S: * LIST ({{.*}}) "/" "back\\slash"
S: d OK {{.*}}
C: e CREATE "bad\n"
S: e BAD {{.*}}
C: f CREATE "open
S: f BAD {{.*}}
