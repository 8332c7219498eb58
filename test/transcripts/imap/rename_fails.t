# RFC 9051 section 6.3.6: what cannot be renamed stays.
login A
C: a CREATE one
S: a OK {{.*}}
C: b CREATE two
S: b OK {{.*}}
C: c RENAME one two
S: c NO [ALREADYEXISTS] {{.*}}
C: d RENAME Nosuch three
S: d NO [NONEXISTENT] {{.*}}
C: e RENAME one one/below
S: e NO {{.*}}
C: f RENAME one INBOX
S: f NO {{.*}}
C: g RENAME one
S: g BAD {{.*}}
C: h STATUS one (MESSAGES)
S: * STATUS one (MESSAGES 0)
S: h OK {{.*}}
