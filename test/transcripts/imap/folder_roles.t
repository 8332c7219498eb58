# A folder that is deleted and made again has its use again; a use that cannot be is refused.
login A
C: a DELETE Trash
S: a OK Done
C: b LIST (SPECIAL-USE) "" T*
S: b OK Listed
C: c CREATE Trash
S: c OK Done
C: d LIST "" Trash
S: * LIST (\HasNoChildren \Trash) "/" Trash
S: d OK Listed
C: e CREATE Papierkorb
S: e OK Done
C: f LIST "" Papierkorb
S: * LIST (\HasNoChildren) "/" Papierkorb
S: f OK Listed
C: g CREATE Z (USE (\Important))
S: g NO [USEATTR] {{.*}}
C: h CREATE Z (USE (\Sent \Junk))
S: h NO [USEATTR] {{.*}}
C: i CREATE Z (USE (\All))
S: i OK Done
C: j CREATE Y (USE)
S: j BAD {{.*}}
C: k LIST "" Z
S: * LIST (\HasNoChildren \All) "/" Z
S: k OK Listed
