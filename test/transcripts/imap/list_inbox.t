# RFC 9051 section 5.1: INBOX whatever the case, and no other name so.
login A
C: a LIST "" inbox
S: * LIST ({{.*}}) "/" INBOX
S: a OK {{.*}}
C: b LIST "" InB%
S: * LIST ({{.*}}) "/" INBOX
S: b OK {{.*}}
C: c LIST "" sent
S: c OK {{.*}}
C: d CREATE iNbOx
S: d NO [ALREADYEXISTS] {{.*}}
