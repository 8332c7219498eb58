# RFC 9051 section 6.3.4: names that none can have.
login A
C: a CREATE ""
S: a {{NO|BAD}} {{.*}}
C: b CREATE /lead
S: b NO {{.*}}
C: c CREATE a//b
S: c NO {{.*}}
C: d CREATE INBOX
S: d NO [ALREADYEXISTS] {{.*}}
C: e CREATE &bad
S: e NO {{.*}}
C: f CREATE
S: f BAD {{.*}}
C: g CREATE INBOX/below
S: g OK {{.*}}
