/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules -> instructions (devices.h).
 *
 * Last match wins, so the program asks the rules from the last to the first, and keeps in r2 the
 * letters of the access that no rule has decided yet: a rule that allows takes its letters out, and
 * the access is allowed when none is left; a rule that denies ends it when one of its letters is
 * still there. (A test of "all asked letters are in this rule", as others do, lets an open for
 * reading and writing pass a rule that denies writing.)
 *
 * The kernel verifies and compiles the program in every create, and that takes longer than making
 * the cgroup: a branch costs about 3 us, so rules are sorted into groups, and numbers of a group
 * into ranges and bitmaps.
 */
#include "runtime/cgroup/devices.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"

#define ACCESS_ALL (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD)
#define TYPE_ANY 0
#define NUMBER_ANY (-1)

/* Jumps reach 32767 instructions; a rule needs at most this many. */
#define RULE_MOST 8
#define RULES_MOST (30000 / RULE_MOST)

/* Rules are compared pairwise to drop the dead ones, but only with this many. */
#define COMPARED_MOST 64

struct rule {
	bool allow;
	int type;	      /* BPF_DEVCG_DEV_…, or TYPE_ANY */
	int64_t major, minor; /* NUMBER_ANY: every one */
	unsigned int access;
};

/* Always allowed; config-linux.md "Default Devices", and mknod and /dev/net/tun as runc and crun.
 */
static const struct rule defaults[] = {
	{ true, BPF_DEVCG_DEV_CHAR, 10, 200, ACCESS_ALL },	   /* net/tun */
	{ true, BPF_DEVCG_DEV_CHAR, 136, NUMBER_ANY, ACCESS_ALL }, /* pts */
	{ true, BPF_DEVCG_DEV_CHAR, 5, 0, ACCESS_ALL },		   /* tty */
	{ true, BPF_DEVCG_DEV_CHAR, 5, 1, ACCESS_ALL },		   /* console */
	{ true, BPF_DEVCG_DEV_CHAR, 5, 2, ACCESS_ALL },		   /* ptmx */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 3, ACCESS_ALL },		   /* null */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 5, ACCESS_ALL },		   /* zero */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 7, ACCESS_ALL },		   /* full */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 8, ACCESS_ALL },		   /* random */
	{ true, BPF_DEVCG_DEV_CHAR, 1, 9, ACCESS_ALL },		   /* urandom */
	{ true, TYPE_ANY, NUMBER_ANY, NUMBER_ANY, BPF_DEVCG_ACC_MKNOD },
};

#define N_DEFAULTS (sizeof(defaults) / sizeof(defaults[0]))

static bool covers(const struct rule *wide, const struct rule *narrow)
{
	return (wide->type == TYPE_ANY || wide->type == narrow->type) &&
		(wide->major == NUMBER_ANY || wide->major == narrow->major) &&
		(wide->minor == NUMBER_ANY || wide->minor == narrow->minor) &&
		(narrow->access & ~wide->access) == 0;
}

static bool is_everything(const struct rule *rule)
{
	return rule->type == TYPE_ANY && rule->major == NUMBER_ANY && rule->minor == NUMBER_ANY &&
		rule->access == ACCESS_ALL;
}

static int read_rule(
	const struct oci_device_rule *from, size_t index, struct rule *ret, struct error *err)
{
	*ret = (struct rule){
		.allow = from->allow,
		.type = from->type == 'b'   ? BPF_DEVCG_DEV_BLOCK
			: from->type == 'c' ? BPF_DEVCG_DEV_CHAR
					    : TYPE_ANY,
		.major = from->major.set ? from->major.value : NUMBER_ANY,
		.minor = from->minor.set ? from->minor.value : NUMBER_ANY,
		.access = (from->read ? BPF_DEVCG_ACC_READ : 0U) |
			(from->write ? BPF_DEVCG_ACC_WRITE : 0U) |
			(from->mknod ? BPF_DEVCG_ACC_MKNOD : 0U),
	};
	/* The kernel's device numbers have 12 and 20 bits. */
	if (ret->major < NUMBER_ANY || ret->major >= 1 << 12 || ret->minor < NUMBER_ANY ||
		ret->minor >= 1 << 20)
		return error_say(err, EINVAL,
			"linux.resources.devices[%zu]: %" PRId64 ":%" PRId64
			" is not a device number",
			index, ret->major, ret->minor);
	return 0;
}

/*
 * The rules from the last to the first, without those that decide nothing. Returns 1 when
 * everything is allowed, 0, or a negative errno.
 */
static int reduce(const struct oci_resources *resources, struct rule *rules, size_t *ret_count,
	struct error *err)
{
	size_t n_given = resources != NULL ? resources->n_devices : 0, count = 0, last_allow = 0;
	bool all = true;

	for (size_t i = N_DEFAULTS + n_given; i-- > 0;) {
		struct rule rule;
		bool dead = false;

		if (i >= n_given) {
			rule = defaults[i - n_given];
		} else {
			int status = read_rule(&resources->devices[i], i, &rule, err);

			if (status < 0)
				return status;
		}
		for (size_t k = 0; k < count && k < COMPARED_MOST && !dead; k++)
			dead = covers(&rules[k], &rule);
		if (dead || rule.access == 0)
			continue;
		if (!rule.allow)
			all = false;
		if (is_everything(&rule) && all)
			return 1;
		rules[count++] = rule;
		if (rule.allow)
			last_allow = count;
		if (is_everything(&rule))
			break;
	}
	/* What is left at the end is denied anyway. */
	*ret_count = last_allow;
	return 0;
}

static bool is_exact(const struct rule *rule)
{
	return rule->major != NUMBER_ANY && rule->minor != NUMBER_ANY;
}

/*
 * Rules that all allow, or all deny, can be asked in any order: groups lie side by side then. What
 * matches everything comes last (as unsigned, NUMBER_ANY is the highest).
 */
static int compare(const void *left, const void *right)
{
	const struct rule *a = left, *b = right;

	if (a->access != b->access)
		return a->access < b->access ? -1 : 1;
	if (a->type != b->type)
		return b->type - a->type;
	if (a->major != b->major)
		return (uint64_t)a->major < (uint64_t)b->major ? -1 : 1;
	if (a->minor != b->minor)
		return (uint64_t)a->minor < (uint64_t)b->minor ? -1 : 1;
	return 0;
}

static void sort_runs(struct rule *rules, size_t count)
{
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && rules[i + n].allow == rules[i].allow; n++)
			;
		qsort(rules + i, n, sizeof(*rules), compare);
	}
}

/* Where a jump goes, until the places are known. */
enum label { LABEL_NONE, LABEL_NEXT, LABEL_MATCH, LABEL_ALLOW, LABEL_DENY, N_LABELS };

struct program {
	struct bpf_insn *insns;
	unsigned char *labels; /* of each instruction: enum label */
	size_t count;
};

/* Appends an instruction that jumps to `label`, or one that does not jump. */
static void emit(struct program *program, unsigned int code, unsigned int dst, unsigned int src,
	uint32_t imm, enum label label)
{
	program->labels[program->count] = (unsigned char)label;
	program->insns[program->count++] = (struct bpf_insn){
		.code = (__u8)code, .dst_reg = dst & 15, .src_reg = src & 15, .imm = (__s32)imm
	};
}

/* Sets the jumps to `label` since `start` to go to what is emitted next. */
static void place(struct program *program, enum label label, size_t start)
{
	for (size_t i = start; i < program->count; i++) {
		if (program->labels[i] == label) {
			program->insns[i].off = (__s16)(program->count - i - 1);
			program->labels[i] = LABEL_NONE;
		}
	}
}

#define MOV_REG (BPF_ALU | BPF_MOV | BPF_X)
#define MOV_IMM (BPF_ALU | BPF_MOV | BPF_K)
#define SUB_IMM (BPF_ALU | BPF_SUB | BPF_K)
#define AND_IMM (BPF_ALU | BPF_AND | BPF_K)
#define LOAD (BPF_LDX | BPF_W | BPF_MEM)
#define JUMP32(operation) (BPF_JMP32 | (operation) | BPF_K)

#define NUMBER(major, minor) ((uint32_t)(major) << 20 | (uint32_t)(minor))

/*
 * Of the kernel's struct bpf_cgroup_dev_ctx: r2 has the type in the low half and the access in the
 * high one, r4 the major number, r5 both numbers as one.
 */
static void emit_prologue(struct program *program)
{
	emit(program, LOAD, BPF_REG_2, BPF_REG_1, 0, LABEL_NONE);
	emit(program, LOAD, BPF_REG_4, BPF_REG_1, 0, LABEL_NONE);
	program->insns[program->count - 1].off = offsetof(struct bpf_cgroup_dev_ctx, major);
	emit(program, LOAD, BPF_REG_5, BPF_REG_1, 0, LABEL_NONE);
	program->insns[program->count - 1].off = offsetof(struct bpf_cgroup_dev_ctx, minor);
	emit(program, MOV_REG, BPF_REG_0, BPF_REG_4, 0, LABEL_NONE);
	emit(program, BPF_ALU | BPF_LSH | BPF_K, BPF_REG_0, 0, 20, LABEL_NONE);
	emit(program, BPF_ALU | BPF_OR | BPF_X, BPF_REG_5, BPF_REG_0, 0, LABEL_NONE);
}

/* A test of one rule's numbers, where one is a wildcard. */
static void emit_wildcard(struct program *program, const struct rule *rule, enum label match)
{
	if (rule->major != NUMBER_ANY) {
		emit(program, JUMP32(BPF_JEQ), BPF_REG_4, 0, (uint32_t)rule->major, match);
	} else if (rule->minor != NUMBER_ANY) {
		emit(program, MOV_REG, BPF_REG_0, BPF_REG_5, 0, LABEL_NONE);
		emit(program, AND_IMM, BPF_REG_0, 0, 0xfffff, LABEL_NONE);
		emit(program, JUMP32(BPF_JEQ), BPF_REG_0, 0, (uint32_t)rule->minor, match);
	} else {
		emit(program, BPF_JMP | BPF_JA, 0, 0, 0, match);
	}
}

static uint32_t number_of(const struct rule *rule)
{
	return NUMBER(rule->major, rule->minor);
}

/*
 * Tests of the sorted rules' numbers, none of them a wildcard: as many rules as one test can take
 * at once. Returns how many that were.
 */
static size_t emit_numbers(
	struct program *program, const struct rule *rules, size_t count, enum label match)
{
	uint32_t first = number_of(&rules[0]), mask = 0;
	size_t range = 1, near = 0;

	while (range < count && is_exact(&rules[range]) &&
		number_of(&rules[range]) == first + range)
		range++;
	while (near < count && is_exact(&rules[near]) && number_of(&rules[near]) - first < 32)
		mask |= UINT32_C(1) << (number_of(&rules[near++]) - first);
	if (range < 3 && near < 4) {
		emit(program, JUMP32(BPF_JEQ), BPF_REG_5, 0, first, match);
		return 1;
	}
	emit(program, MOV_REG, BPF_REG_0, BPF_REG_5, 0, LABEL_NONE);
	emit(program, SUB_IMM, BPF_REG_0, 0, first, LABEL_NONE);
	if (range >= 3) {
		emit(program, JUMP32(BPF_JLE), BPF_REG_0, 0, (uint32_t)range - 1, match);
		return range;
	}
	/* Jumps over the three that follow. */
	emit(program, JUMP32(BPF_JGT), BPF_REG_0, 0, number_of(&rules[near - 1]) - first,
		LABEL_NONE);
	program->insns[program->count - 1].off = 3;
	emit(program, MOV_IMM, BPF_REG_1, 0, mask, LABEL_NONE);
	emit(program, BPF_ALU | BPF_RSH | BPF_X, BPF_REG_1, BPF_REG_0, 0, LABEL_NONE);
	emit(program, JUMP32(BPF_JSET), BPF_REG_1, 0, 1, match);
	return near;
}

/* The rules of a group differ in nothing but their numbers. */
static bool is_same_group(const struct rule *a, const struct rule *b)
{
	return a->allow == b->allow && a->type == b->type && a->access == b->access;
}

/* What the group says about a device that matches, where it does not say everything. */
static void emit_verdict(struct program *program, const struct rule *rule)
{
	uint32_t letters = rule->access << 16;

	if (!rule->allow) {
		emit(program, JUMP32(BPF_JSET), BPF_REG_2, 0, letters, LABEL_DENY);
		return;
	}
	emit(program, AND_IMM, BPF_REG_2, 0, ~letters, LABEL_NONE);
	emit(program, JUMP32(BPF_JLT), BPF_REG_2, 0, 1 << 16, LABEL_ALLOW);
}

static void emit_group(struct program *program, const struct rule *rules, size_t count)
{
	const struct rule *one = &rules[0];
	bool whole = one->access == ACCESS_ALL;
	bool unconditional = count == 1 && one->major == NUMBER_ANY && one->minor == NUMBER_ANY;
	enum label match = !whole ? LABEL_MATCH : one->allow ? LABEL_ALLOW : LABEL_DENY;
	size_t start = program->count;

	/* There are two types, each a bit: the other one's says that this one's is not set. */
	if (one->type != TYPE_ANY)
		emit(program, JUMP32(BPF_JSET), BPF_REG_2, 0,
			BPF_DEVCG_DEV_BLOCK ^ BPF_DEVCG_DEV_CHAR ^ (uint32_t)one->type, LABEL_NEXT);
	for (size_t i = 0; i < count && !(unconditional && !whole);) {
		if (is_exact(&rules[i]))
			i += emit_numbers(program, rules + i, count - i, match);
		else
			emit_wildcard(program, &rules[i++], match);
	}
	if (!whole) {
		if (!unconditional)
			emit(program, BPF_JMP | BPF_JA, 0, 0, 0, LABEL_NEXT);
		place(program, LABEL_MATCH, start);
		emit_verdict(program, one);
	}
	place(program, LABEL_NEXT, start);
}

static int emit_program(struct program *program, struct rule *rules, size_t count)
{
	const unsigned int exit = BPF_JMP | BPF_EXIT;

	program->insns = calloc(count * RULE_MOST + 16, sizeof(*program->insns));
	program->labels = calloc(count * RULE_MOST + 16, sizeof(*program->labels));
	if (program->insns == NULL || program->labels == NULL)
		return -ENOMEM;
	emit_prologue(program);
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && is_same_group(&rules[i], &rules[i + n]); n++)
			;
		emit_group(program, rules + i, n);
	}
	/*
	 * The verifier refuses code that nothing reaches. Something reaches both: what ends in a
	 * rule that allows everything has a rule that denies before it, or there were no program.
	 */
	place(program, LABEL_DENY, 0);
	emit(program, MOV_IMM, BPF_REG_0, 0, 0, LABEL_NONE);
	emit(program, exit, 0, 0, 0, LABEL_NONE);
	place(program, LABEL_ALLOW, 0);
	emit(program, MOV_IMM, BPF_REG_0, 0, 1, LABEL_NONE);
	emit(program, exit, 0, 0, 0, LABEL_NONE);
	return 0;
}

int cgroup_devices_program(const struct oci_resources *resources, struct bpf_insn **ret_program,
	size_t *ret_count, struct error *err)
{
	size_t n_given = resources != NULL ? resources->n_devices : 0, count = 0;
	_cleanup_free_ struct rule *rules = calloc(n_given + N_DEFAULTS, sizeof(*rules));
	struct program program = { 0 };
	int status;

	if (rules == NULL)
		return error_set(err, ENOMEM, "linux.resources.devices");
	status = reduce(resources, rules, &count, err);
	if (status < 0)
		return status;
	if (status == 1) {
		*ret_program = NULL;
		*ret_count = 0;
		return 0;
	}
	if (count > RULES_MOST)
		return error_say(err, E2BIG,
			"linux.resources.devices: %zu rules are more than a device filter holds "
			"(%d): join them, for instance with wildcard minors",
			count, RULES_MOST);
	sort_runs(rules, count);
	status = emit_program(&program, rules, count);
	free(program.labels);
	if (status < 0) {
		free(program.insns);
		return error_set(err, -status, "linux.resources.devices");
	}
	*ret_program = program.insns;
	*ret_count = program.count;
	return 0;
}
