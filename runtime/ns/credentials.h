/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the container's process is: capabilities, ids, security labels, session keyring. All act on
 * the calling process, on the way from privileged to the user's program; process.c knows the order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct oci_capabilities;
struct oci_config;
struct oci_user;

/*
 * Drops from the bounding set what `wanted` lacks (capabilities(7); needs CAP_SETPCAP, so before
 * the ids change). An absent object is an empty one.
 */
int capabilities_bound(const struct oci_capabilities *wanted, struct error *err);

/*
 * Sets the effective, permitted, inheritable and ambient sets. What the process does not have is
 * left out, with a warning (config.md, "Linux Process"). `also` is kept in permitted and effective
 * for a moment longer: a second call with 0 ends that.
 */
int capabilities_apply(const struct oci_capabilities *wanted, uint64_t also, struct error *err);

/*
 * The sets that can be granted to a process whose permitted set is `have`: each is cut to what the
 * kernel accepts, `ret` has no names in `unknown`. Returns the mask of what was cut. A pure
 * function.
 */
uint64_t capabilities_grantable(
	const struct oci_capabilities *wanted, uint64_t have, struct oci_capabilities *ret);

/*
 * Supplementary groups, gid, uid (all three kinds of each). In a user namespace whose setgroups is
 * "deny" no groups can be set: an error where some are asked for (user_namespaces(7)). The
 * permitted capabilities survive (PR_SET_KEEPCAPS). With `keep_groups` those that the caller has
 * stay, where none are asked for.
 */
int ids_set(int procfs, const struct oci_user *user, bool keep_groups, struct error *err);

/*
 * podman's --group-add keep-groups, as crun knows it: the annotation
 * run.oci.keep_original_groups=1. For a caller less than root only, whose groups are its own to
 * give: a container's data never hands out root's.
 */
bool ids_keep_groups(const struct oci_config *config, bool rootless);

/* True when this kernel runs that security module. `procfs` is any procfs. */
bool label_apparmor_available(int procfs);
bool label_selinux_available(int procfs);

/*
 * The AppArmor profile and the SELinux label that the next execve(2) takes on. NULL or empty:
 * nothing. -EOPNOTSUPP where the module is asked for and not there.
 */
int label_set_apparmor(int procfs, const char *profile, struct error *err);
int label_set_selinux(int procfs, const char *label, struct error *err);

/*
 * Joins a new session keyring `name` (keyrings(7)) labelled with `selinux_label` (or NULL). A
 * kernel without keyrings is no error.
 */
int keyring_join_session(
	int procfs, const char *name, const char *selinux_label, struct error *err);
