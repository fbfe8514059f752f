/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces that only carry the mappings of an idmapped mount (mount_setattr(2),
 * MOUNT_ATTR_IDMAP; config.md, uidMappings and gidMappings of a mount).
 */
#pragma once

#include "config/oci.h"

struct error;

/*
 * Returns an fd of a new user namespace with these mappings, in which no process stays. The
 * `container_id` of a mapping is the id in the file system, `host_id` the one seen through the
 * mount. Needs CAP_SETUID and CAP_SETGID over the ids.
 */
int idmap_open(
	const struct oci_id_mappings *uids, const struct oci_id_mappings *gids, struct error *err);

/*
 * Parses crun's form of mappings in an option, "uids=0-1-10#10-11-10;gids=0-100-10": container id,
 * host id, size; '@' before a mapping makes its host id an id of the container, looked up in
 * `container_uids` or `container_gids`. The lists are the caller's, from malloc(3).
 */
int idmap_parse(const char *text, const struct oci_id_mappings *container_uids,
	const struct oci_id_mappings *container_gids, struct oci_id_mappings *ret_uids,
	struct oci_id_mappings *ret_gids, struct error *err);
