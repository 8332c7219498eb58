login A
C: a LIST "" ""
S: * LIST (\Noselect) "/" ""
S: a OK Listed
C: b LIST "" *
S: * LIST (\HasNoChildren) "/" INBOX
S: * LIST (\HasNoChildren \Archive) "/" Archive
S: * LIST (\HasNoChildren \Drafts) "/" Drafts
S: * LIST (\HasNoChildren \Junk) "/" Junk
S: * LIST (\HasNoChildren \Sent) "/" Sent
S: * LIST (\HasNoChildren \Trash) "/" Trash
S: b OK Listed
C: c CREATE Work/2026/Nov/
S: c OK Done
C: c CREATE Work/2026/Nov
S: c NO [ALREADYEXISTS] {{.*}}
C: d LIST "" Work/%
S: * LIST ({{.*}}\HasChildren) "/" Work/2026
S: d OK Listed
C: e LIST Work/ 2026/*
S: * LIST (\HasNoChildren) "/" Work/2026/Nov
S: e OK Listed
C: f CREATE Entw&APw-rfe
S: f OK Done
C: g LIST "" "Entw*"
S: * LIST (\HasNoChildren) "/" Entw&APw-rfe
S: g OK Listed
C: h SUBSCRIBE Entw&APw-rfe
S: h OK Done
C: i LSUB "" Entw*
S: * LSUB () "/" Entw&APw-rfe
S: i OK Listed
C: j UNSUBSCRIBE Entw&APw-rfe
S: j OK Done
C: k LSUB "" Entw*
S: k OK Listed
C: l RENAME Work Play
S: l OK Done
C: m LIST "" Play/2026/*
S: * LIST (\HasNoChildren) "/" Play/2026/Nov
S: m OK Listed
C: n LIST "" Work*
S: n OK Listed
C: o DELETE Play/2026/Nov
S: o OK Done
C: p DELETE Play/2026/Nov
S: p NO [NONEXISTENT] {{.*}}
C: q RENAME Nothing Something
S: q NO [NONEXISTENT] {{.*}}
C: r RENAME Entw&APw-rfe Trash
S: r NO [ALREADYEXISTS] {{.*}}
C: s LIST (SPECIAL-USE) "" * RETURN (SUBSCRIBED STATUS (MESSAGES))
S~ * STATUS Trash (MESSAGES 0)
S~ s OK Listed
C: t LIST "" (INBOX Tr*)
S| * LIST (\HasNoChildren) "/" INBOX
S| * LIST (\HasNoChildren \Trash) "/" Trash
S: t OK Listed
C: u NAMESPACE
S: * NAMESPACE (("" "/")) NIL NIL
S: u OK Done
C: v CREATE a&-b
S: v OK Done
C: w LIST "" a*
S: * LIST (\HasNoChildren) "/" a&-b
S: w OK Listed
