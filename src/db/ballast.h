#ifndef POSTKASSE_DB_BALLAST_H
#define POSTKASSE_DB_BALLAST_H

/*
 * Room that is kept for when a volume has no byte left: a file beside the databases that holds nothing, but
 * occupies its blocks. A piece of it is given back when something that makes room could not be written
 * otherwise (opening a mailbox, deleting), and made anew when there is room. No state but the file.
 */

#include "base/error.h"
#include "base/str.h"

#define BALLAST_NAME "ballast"

/* What is free for us on the volume that path is on, and what of that is to stay free: reserve bytes, a
 * sixteenth of a smaller volume at most. False when it cannot be asked. */
bool volume_room(const char *path, uint64_t reserve, uint64_t *ret_free, uint64_t *ret_reserve);
/* The reserve and a little more: what must be free before anything but mail is put there, and before mail
 * is again, so that it is not refused and taken in turns. */
uint64_t volume_enough(uint64_t reserve);

/* How large one of asked bytes may be on the volume that path is on: a 32nd of it at most, and none (0) where
 * that is too little to be of use. */
uint64_t ballast_size(const char *path, uint64_t asked);
/* The bytes that the one at path occupies; 0 when there is none. */
uint64_t ballast_bytes(const char *path);
/* Brings the one at path nearer to wanted: a larger one is cut off, a smaller one grows by a piece. 0 bytes:
 * it is removed. E_NO_SPACE, E_DENIED, E_IO: it is as it was. */
int ballast_tend(const char *path, uint64_t wanted, uint64_t piece, struct errinfo *info) MUST_USE;
/* Gives a piece back; false when there is nothing that could be. */
bool ballast_give(const char *path, uint64_t piece);

#endif
