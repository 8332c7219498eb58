# RFC 9051 section 6.3.5: DELETE of INBOX, of none, of one with others below.
login A
C: a DELETE INBOX
S: a NO {{.*}}
C: b DELETE Nosuch
S: b NO [NONEXISTENT] {{.*}}
C: c CREATE up/down
S: c OK {{.*}}
C: d DELETE up
S: d NO [HASCHILDREN] {{.*}}
C: e DELETE up/down
S: e OK {{.*}}
C: f DELETE up
S: f NO [NONEXISTENT] {{.*}}
C: g CREATE up
S: g OK {{.*}}
C: h DELETE up
S: h OK {{.*}}
C: i SELECT up
S~ i NO [NONEXISTENT] {{.*}}
