# RFC 6154 section 2 and 3: uses are told by LIST, and given by CREATE.
login A
C: a LIST (SPECIAL-USE) "" *
S| * LIST ({{.*}}\Drafts{{.*}}) "/" Drafts
S| * LIST ({{.*}}\Sent{{.*}}) "/" Sent
S| * LIST ({{.*}}\Archive{{.*}}) "/" Archive
S| * LIST ({{.*}}\Junk{{.*}}) "/" Junk
S| * LIST ({{.*}}\Trash{{.*}}) "/" Trash
S: a OK {{.*}}
C: b DELETE Archive
S: b OK {{.*}}
C: c CREATE Old (USE (\Archive))
S: c OK {{.*}}
C: d LIST (SPECIAL-USE) "" O*
S: * LIST ({{.*}}\Archive{{.*}}) "/" Old
S: d OK {{.*}}
C: e CREATE x (USE (\Nosuch))
S: e NO [USEATTR] {{.*}}
