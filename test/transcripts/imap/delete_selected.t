# DELETE of the selected mailbox is answered, and the connection goes on; who else has it selected is sent
# away after the answer to its command.
login A
login B
CA: a CREATE Box
SA: a OK Done
CA: b SELECT Box
SA~ b OK [READ-WRITE] Selected
CB: a SELECT Box
SB~ a OK [READ-WRITE] Selected
CA: c DELETE Box
SA: * OK [CLOSED] {{.*}}
SA: c OK Done
CA: d FETCH 1 FLAGS
SA: d BAD Select a mailbox first
CA: e SELECT INBOX
SA~ e OK [READ-WRITE] Selected
CB: b NOOP
SB: b OK Done
SB: * BYE {{.*}}
SB$
CA: f CREATE Up/Down
SA: f OK Done
CA: g DELETE Up
SA: g NO [HASCHILDREN] {{.*}}
CA: h CREATE Up
SA: h OK Done
CA: i DELETE Up
SA: i NO [HASCHILDREN] {{.*}}
CA: j DELETE Up/Down
SA: j OK Done
CA: k DELETE Up
SA: k OK Done
