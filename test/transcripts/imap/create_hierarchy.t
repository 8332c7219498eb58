# RFC 9051 section 6.3.4: what stands above is there as a name until it is made; a delimiter at the end is
# left out.
login A
C: a CREATE one/two/
S: a OK {{.*}}
C: b LIST "" one*
S: * LIST ({{.*}}) "/" one
S: * LIST ({{.*}}) "/" one/two
S: b OK {{.*}}
C: c CREATE one/two
S: c NO [ALREADYEXISTS] {{.*}}
C: d SELECT one
S~ d NO [NONEXISTENT] {{.*}}
C: e CREATE one
S: e OK {{.*}}
C: f CREATE one
S: f NO [ALREADYEXISTS] {{.*}}
