/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of a unit as command line words, and as parts of a D-Bus message.
 *
 *	Name=b true			Name=s text		Name=t 18446744073709551615
 *	Name=ay 0f00			Name=a(st) path number	Name=a(ss) path text
 *	Name=a(ss)			(an empty array: forget what was there)
 *	Name=v uint32 5			(text of GVariant, what annotations hold)
 */
#pragma once

#include <systemd/sd-bus.h>

/*
 * Appends `word` to the message as (sv). Returns 0 or a negative errno, with *ret_reason set to
 * what is wrong with the word.
 */
int property_append(sd_bus_message *message, const char *word, const char **ret_reason);
