# RFC 9051 section 6.3.4: a mailbox made again has other UIDs.
login A
C: a CREATE again
S: a OK {{.*}}
C: b STATUS again (UIDVALIDITY)
S: * STATUS again (UIDVALIDITY {{first=[0-9]+}})
S: b OK {{.*}}
C: c DELETE again
S: c OK {{.*}}
C: d CREATE again
S: d OK {{.*}}
C: e STATUS again (UIDVALIDITY)
S: * STATUS again (UIDVALIDITY {{second=[0-9]+}})
S: e OK {{.*}}
C: f STATUS again (UIDVALIDITY)
S: * STATUS again (UIDVALIDITY ${second})
S: f OK {{.*}}
C: g LIST "" ${first}${second}
S: g OK {{.*}}
