login A
C: a CREATE Old (USE (\Archive))
S: a OK Done
C: a CREATE Everything (USE (\All))
S: a OK Done
C: b LIST (SPECIAL-USE) "" Every%
S: * LIST (\HasNoChildren \All) "/" Everything
S: b OK Listed
C: c CREATE One/Two/Three
S: c OK Done
C: d SUBSCRIBE One/Two/Three
S: d OK Done
C: e LIST (SUBSCRIBED RECURSIVEMATCH) "" One
S: * LIST (\NonExistent \HasChildren) "/" One ("CHILDINFO" ("SUBSCRIBED"))
S: e OK Listed
C: f LIST (SUBSCRIBED) "" One/*
S: * LIST (\Subscribed \HasNoChildren) "/" One/Two/Three
S: f OK Listed
C: g LSUB "" One/%
S: * LSUB (\Noselect) "/" One/Two
S: g OK Listed
C: h LIST "" One/Two/Three RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES UNSEEN SIZE))
S: * LIST (\Subscribed \HasNoChildren) "/" One/Two/Three
S: * STATUS One/Two/Three (MESSAGES 0 UNSEEN 0 SIZE 0)
S: h OK Listed
C: i LIST (RECURSIVEMATCH) "" *
S: i BAD RECURSIVEMATCH needs SUBSCRIBED
C: j LIST (NONSENSE) "" *
S: j BAD Unknown selection option
C: k LIST "" * RETURN (NONSENSE)
S: k BAD Unknown return option
C: l LIST "" *********************************
S: l BAD Too many wildcards
