/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder: walks a JSON tree and tables side by side and fills C structs. A field of the
 * specification is one row of a table; a rule that concerns one object is that object's `check`.
 *
 * A member whose value is null counts as absent, as it does for the Go programs that write these
 * documents. Unknown members are ignored, except in objects that have a message for them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct error;
struct json_value;

#define DECODE_MAX_DEPTH 24

/* Where the decoder is, for messages: a key, or (key NULL) an index. */
struct decode_segment {
	const char *key;
	size_t index;
};

struct decoder {
	struct arena *arena;
	struct error *err;
	struct decode_segment path[DECODE_MAX_DEPTH];
	size_t depth;
	uint64_t seen; /* for object_type.check: bit N is set where field N was there */
};

/* A word of the specification and the number it stands for; tables end with a NULL name. */
struct name_value {
	const char *name;
	uint64_t value;
};

/* What a field's C type is. */
enum field_kind {
	FIELD_BOOL,
	FIELD_OPTIONAL_BOOL, /* struct optional_… */
	FIELD_U16,
	FIELD_U32,
	FIELD_I32,
	FIELD_U64,
	FIELD_I64,
	FIELD_OPTIONAL_U32,
	FIELD_OPTIONAL_I32,
	FIELD_OPTIONAL_U64,
	FIELD_OPTIONAL_I64,
	FIELD_ID,	   /* uid_t, gid_t: at most 2^32 - 2 (CVE-2024-40635) */
	FIELD_OPTIONAL_ID, /* struct optional_u32 with that limit */
	FIELD_ID_LIST,	   /* uint32_t *, size_t */
	FIELD_U32_LIST,	   /* uint32_t *, size_t */
	FIELD_STRING,	   /* char * */
	FIELD_STRINGS,	   /* struct string_list */
	FIELD_MAP,	   /* struct key_value_list: an object of strings */
	FIELD_ENUM,	   /* int: the value of one of `names` */
	FIELD_ENUM_CHAR,   /* the same in a char */
	FIELD_ENUM_LONG,   /* the same in an unsigned long */
	FIELD_FLAGS,	   /* uint64_t: the values of a list of `names`, ored */
	FIELD_FLAGS_INT,   /* the same in an unsigned int */
	FIELD_OBJECT,	   /* a struct of type `object` */
	FIELD_OBJECTS,	   /* array of `object`: a pointer and a size_t behind it */
	FIELD_OBJECT_MAP,  /* object of `object`s: the same, the key goes to object->key_offset */
	FIELD_CUSTOM,	   /* whatever `custom` does */
};

struct object_type;

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset; /* in the struct of the object */
	bool required;
	bool empty_is_absent; /* FIELD_STRING: "" means that nothing was said */
	/* Integers: narrower than the C type; counts where max is not 0. */
	int64_t min;
	uint64_t max;
	/* FIELD_ENUM and FIELD_FLAGS; with FIELD_STRING and FIELD_STRINGS: the words allowed. */
	const struct name_value *names;
	/*
	 * FIELD_STRING and the items of FIELD_STRINGS, keys of FIELD_MAP and FIELD_OBJECT_MAP:
	 * returns what it should have been ("an absolute path"), or NULL where it is that.
	 */
	const char *(*format)(const char *text);
	const struct object_type *object;
	/* FIELD_CUSTOM: `object` is the struct that the field is in. */
	int (*custom)(struct decoder *decoder, const struct field *field,
		const struct json_value *value, void *object);
};

struct object_type {
	const struct field *fields;
	size_t n_fields; /* at most 64 */
	size_t size;	 /* of the C struct, for arrays of it */
	bool has_set;	 /* a bool at set_offset says that the object was there */
	size_t set_offset;
	size_t key_offset;   /* FIELD_OBJECT_MAP: the char * for the key */
	const char *unknown; /* what to say of an unknown member; NULL: it is ignored */
	/* Rules over more than one field; `object` is the struct, the path is the object's. */
	int (*check)(struct decoder *decoder, void *object);
};

/* A row of a table; what else it says follows by member: ROW("cwd", …, .required = true). */
#define ROW(member_name, field_kind, struct_offset, ...)                                \
	{                                                                               \
		.name = (member_name), .kind = (field_kind), .offset = (struct_offset), \
		##__VA_ARGS__                                                           \
	}

/* The fields and the size of an object_type. */
#define OBJECT_FIELDS(table, type) \
	.fields = (table), .n_fields = sizeof(table) / sizeof((table)[0]), .size = sizeof(type)

/*
 * Decodes `value` into the zeroed struct `destination`. Errors: -EINVAL with one line that begins
 * with the JSON path; -ENOMEM.
 */
int decode_object(struct decoder *decoder, const struct object_type *type,
	const struct json_value *value, void *destination);

/* Parses a document, then decodes it as an object of `type`; `decoder` has arena and err. */
int decode_document(struct decoder *decoder, const struct object_type *type, const char *text,
	size_t length, void *destination);

/* The path from here on is that of a member or an item, until decode_leave(). */
void decode_enter_key(struct decoder *decoder, const char *key);
void decode_enter_index(struct decoder *decoder, size_t index);
void decode_leave(struct decoder *decoder);

/*
 * Sets the error "<path>[.<member>]: <message>" and returns -EINVAL. `member` may be NULL, and may
 * reach further down ("options[2]").
 */
int decode_fail(struct decoder *decoder, const char *member, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Sets the error for a value of the wrong type: "<path>: expected <what>, found a string". */
int decode_fail_type(struct decoder *decoder, const char *expected, const struct json_value *found);

/* Sets the error for a wrong string or number: "<path>: expected <what>, found <value>". */
int decode_fail_value(
	struct decoder *decoder, const char *expected, const struct json_value *found);

/* Sets the error for memory that is short; returns -ENOMEM. */
int decode_fail_memory(struct decoder *decoder);

/* Looks a word up; returns NULL where it is not one of `names`. */
const struct name_value *name_value_find(const struct name_value *names, const char *name);
