#ifndef POSTKASSE_NET_TLS_MEMORY_H
#define POSTKASSE_NET_TLS_MEMORY_H

/*
 * Where OpenSSL's record buffers lie. A connection takes two or three of 16 to 22 KB while it shakes
 * hands, and one for each burst of bytes; all are given back, but between the small things that stay
 * with an idle connection they leave holes in the heap that nothing else fills (measured: 41 KB of
 * resident memory for each idle connection, of which 15 are in use). So allocations of that size come
 * from a pool of their own, which gives memory back to the system that it does not need. May be used
 * from any thread.
 */

#include <stdbool.h>
#include <stddef.h>

enum {
	TLS_MEMORY_MIN = 15 * 1024,   /* what comes from the pool: sizes from here ... */
	TLS_MEMORY_BLOCK = 24 * 1024, /* ... to here */
	TLS_MEMORY_BLOCKS = 8192,     /* at once; beyond, the heap has to do */
	TLS_MEMORY_RESERVED = TLS_MEMORY_BLOCK * TLS_MEMORY_BLOCKS, /* bytes of address space */
	TLS_MEMORY_KEPT = 64, /* free blocks that keep their pages */
};

/* Once, at the start of a process, before any other use of OpenSSL. False when it comes too late or the
 * address space is not to be had: then all stays as it was. */
bool tls_memory_init(void);
/* For tests: blocks in use. */
size_t tls_memory_used(void);

#endif
