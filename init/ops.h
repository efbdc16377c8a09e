/* One function an op: the table of main.c is made of the same list, so that a missing one does not link. */
#ifndef OCIPY_OPS_H
#define OCIPY_OPS_H

#include "init.h"

#define X(number, name, signature) void op_##name(struct context *context, const union argument *argument);
PROTOCOL_OPS(X)
#undef X

#endif
