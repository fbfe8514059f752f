/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/network/net_description.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/json_write.h"

#define MTU_MAX 65535
#define ITEMS_MAX 65536 /* of any list: far more than a namespace has */

void *net_append(void *array, size_t *count, size_t size)
{
	char **items = array;
	char *larger = reallocarray(*items, *count + 1, size);

	if (larger == NULL)
		return NULL;
	*items = larger;
	return memset(larger + size * (*count)++, 0, size);
}

void net_description_free(struct net_description *description)
{
	for (size_t i = 0; i < description->n_interfaces; i++) {
		free(description->interfaces[i].addresses);
		free(description->interfaces[i].neighbours);
	}
	for (size_t i = 0; i < description->n_routes; i++)
		free(description->routes[i].nexthops);
	free(description->interfaces);
	free(description->routes);
	*description = (struct net_description){ 0 };
}

/* ---- writing -------------------------------------------------------------------------------- */

void net_mac_write(const unsigned char mac[static NET_MAC_SIZE], char text[static NET_MAC_TEXT])
{
	snprintf(text, NET_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
}

static void write_mac(struct json_writer *writer, const unsigned char *mac)
{
	char text[NET_MAC_TEXT];

	net_mac_write(mac, text);
	json_write_string_member(writer, "mac", text);
}

static void write_ip(struct json_writer *writer, const char *key, const struct net_ip *ip)
{
	char text[INET6_ADDRSTRLEN];

	if (ip->family != 0 && inet_ntop(ip->family, ip->bytes, text, sizeof(text)) != NULL)
		json_write_string_member(writer, key, text);
}

/* Zero is what an absent member means. */
static void write_number(struct json_writer *writer, const char *key, uint32_t number)
{
	if (number != 0)
		json_write_uint_member(writer, key, number);
}

static void write_address(struct json_writer *writer, const struct net_address *address)
{
	json_write_object(writer);
	write_ip(writer, "address", &address->local);
	json_write_uint_member(writer, "prefix", address->prefix);
	write_ip(writer, "peer", &address->peer);
	write_ip(writer, "broadcast", &address->broadcast);
	write_number(writer, "scope", address->scope);
	write_number(writer, "flags", address->flags);
	json_write_end(writer);
}

static void write_interface(struct json_writer *writer, const struct net_interface *interface)
{
	json_write_object(writer);
	json_write_string_member(writer, "name", interface->name);
	write_mac(writer, interface->mac);
	json_write_uint_member(writer, "mtu", interface->mtu);
	json_write_bool_member(writer, "up", interface->up);
	json_write_array_member(writer, "addresses");
	for (size_t i = 0; i < interface->n_addresses; i++)
		write_address(writer, &interface->addresses[i]);
	json_write_end(writer);
	json_write_array_member(writer, "neighbours");
	for (size_t i = 0; i < interface->n_neighbours; i++) {
		json_write_object(writer);
		write_ip(writer, "address", &interface->neighbours[i].address);
		write_mac(writer, interface->neighbours[i].mac);
		json_write_end(writer);
	}
	json_write_end(writer);
	json_write_end(writer);
}

static void write_route(struct json_writer *writer, const struct net_route *route)
{
	json_write_object(writer);
	write_ip(writer, "destination", &route->destination);
	json_write_uint_member(writer, "prefix", route->prefix);
	json_write_uint_member(writer, "type", route->type);
	write_number(writer, "scope", route->scope);
	write_number(writer, "protocol", route->protocol);
	write_number(writer, "metric", route->metric);
	write_number(writer, "mtu", route->mtu);
	write_ip(writer, "source", &route->source);
	json_write_array_member(writer, "nexthops");
	for (size_t i = 0; i < route->n_nexthops; i++) {
		const struct net_nexthop *hop = &route->nexthops[i];

		json_write_object(writer);
		json_write_string_member(writer, "device", hop->device);
		write_ip(writer, "gateway", &hop->gateway);
		write_number(writer, "weight", hop->weight);
		json_write_bool_member(writer, "onlink", hop->onlink);
		json_write_end(writer);
	}
	json_write_end(writer);
	json_write_end(writer);
}

int net_description_write(
	const struct net_description *description, char **ret_text, struct error *err)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	int status = json_writer_open(&writer, false, err);

	if (status < 0)
		return status;
	json_write_object(&writer);
	json_write_array_member(&writer, "interfaces");
	for (size_t i = 0; i < description->n_interfaces; i++)
		write_interface(&writer, &description->interfaces[i]);
	json_write_end(&writer);
	json_write_array_member(&writer, "routes");
	for (size_t i = 0; i < description->n_routes; i++)
		write_route(&writer, &description->routes[i]);
	json_write_end(&writer);
	json_write_end(&writer);
	return json_writer_copy(&writer, ret_text, err);
}

/* ---- reading -------------------------------------------------------------------------------- */

static int read_ip(const struct json_value *object, const char *key, bool needed,
	struct net_ip *ret, struct error *err)
{
	const struct json_value *value = json_get(object, key);
	const char *text = json_string(value);

	if (value == NULL && !needed)
		return 0;
	if (text != NULL && inet_pton(AF_INET, text, ret->bytes) == 1)
		ret->family = AF_INET;
	else if (text != NULL && inet_pton(AF_INET6, text, ret->bytes) == 1)
		ret->family = AF_INET6;
	else
		return error_say(err, EINVAL, "%s: no address", key);
	return 0;
}

static int read_number(const struct json_value *object, const char *key, uint32_t most,
	uint32_t *ret, struct error *err)
{
	const struct json_value *value = json_get(object, key);
	uint64_t number = 0;

	if (value != NULL && (json_uint64(value, &number) < 0 || number > most))
		return error_say(err, EINVAL, "%s: no number up to %u", key, most);
	*ret = (uint32_t)number;
	return 0;
}

static int read_byte(
	const struct json_value *object, const char *key, unsigned char *ret, struct error *err)
{
	uint32_t number = 0;
	int status = read_number(object, key, UINT8_MAX, &number, err);

	if (status == 0)
		*ret = (unsigned char)number;
	return status;
}

static int read_prefix(const struct json_value *object, const struct net_ip *ip, unsigned char *ret,
	struct error *err)
{
	int status = read_byte(object, "prefix", ret, err);

	if (status == 0 && *ret > (ip->family == AF_INET ? 32 : 128))
		return error_say(err, EINVAL, "prefix: longer than the address");
	return status;
}

static int read_mac(const struct json_value *object, unsigned char *ret, struct error *err)
{
	const char *text = json_string(json_get(object, "mac"));
	int end = 0;

	if (text == NULL || strlen(text) != NET_MAC_TEXT - 1 ||
		sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &ret[0], &ret[1], &ret[2],
			&ret[3], &ret[4], &ret[5], &end) != NET_MAC_SIZE ||
		end != NET_MAC_TEXT - 1)
		return error_say(err, EINVAL, "mac: no hardware address");
	return 0;
}

static int read_name(const struct json_value *object, const char *key, char ret[static IFNAMSIZ],
	struct error *err)
{
	const char *text = json_string(json_get(object, key));

	if (text == NULL || *text == '\0' || strlen(text) >= IFNAMSIZ ||
		strpbrk(text, "/: \t\n") != NULL || strcmp(text, ".") == 0 ||
		strcmp(text, "..") == 0)
		return error_say(err, EINVAL, "%s: no name of an interface", key);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static bool read_bool(const struct json_value *object, const char *key)
{
	const struct json_value *value = json_get(object, key);

	return value != NULL && value->type == JSON_BOOLEAN && value->boolean;
}

/* Calls `read` for each item of a list; what it gets room for is zeroed. */
static int read_list(const struct json_value *object, const char *key, void *array, size_t *count,
	size_t size, int (*read)(const struct json_value *, void *, struct error *),
	struct error *err)
{
	const struct json_value *list = json_get(object, key);

	if (list == NULL)
		return 0;
	if (list->type != JSON_ARRAY || list->count > ITEMS_MAX)
		return error_say(err, EINVAL, "%s: no list, or too long", key);
	for (uint32_t i = 0; i < list->count; i++) {
		void *item = net_append(array, count, size);

		if (item == NULL)
			return error_set(err, ENOMEM, "%s", key);
		if (read(&list->items[i], item, err) < 0)
			return error_prefix(err, "%s[%u]", key, i);
	}
	return 0;
}

static int read_address(const struct json_value *value, void *item, struct error *err)
{
	struct net_address *address = item;
	int status = read_ip(value, "address", true, &address->local, err);

	if (status == 0)
		status = read_prefix(value, &address->local, &address->prefix, err);
	if (status == 0)
		status = read_ip(value, "peer", false, &address->peer, err);
	if (status == 0)
		status = read_ip(value, "broadcast", false, &address->broadcast, err);
	if (status == 0)
		status = read_byte(value, "scope", &address->scope, err);
	if (status == 0)
		status = read_number(value, "flags", UINT32_MAX, &address->flags, err);
	return status;
}

static int read_neighbour(const struct json_value *value, void *item, struct error *err)
{
	struct net_neighbour *neighbour = item;
	int status = read_ip(value, "address", true, &neighbour->address, err);

	return status < 0 ? status : read_mac(value, neighbour->mac, err);
}

static int read_interface(const struct json_value *value, void *item, struct error *err)
{
	struct net_interface *interface = item;
	int status = read_name(value, "name", interface->name, err);

	if (status == 0)
		status = read_mac(value, interface->mac, err);
	if (status == 0)
		status = read_number(value, "mtu", MTU_MAX, &interface->mtu, err);
	if (status == 0)
		status = read_list(value, "addresses", &interface->addresses,
			&interface->n_addresses, sizeof(*interface->addresses), read_address, err);
	if (status == 0)
		status = read_list(value, "neighbours", &interface->neighbours,
			&interface->n_neighbours, sizeof(*interface->neighbours), read_neighbour,
			err);
	interface->up = read_bool(value, "up");
	return status;
}

static int read_nexthop(const struct json_value *value, void *item, struct error *err)
{
	struct net_nexthop *hop = item;
	int status = read_name(value, "device", hop->device, err);

	if (status == 0)
		status = read_ip(value, "gateway", false, &hop->gateway, err);
	if (status == 0)
		status = read_byte(value, "weight", &hop->weight, err);
	hop->onlink = read_bool(value, "onlink");
	return status;
}

static int read_route(const struct json_value *value, void *item, struct error *err)
{
	struct net_route *route = item;
	int status = read_ip(value, "destination", true, &route->destination, err);

	if (status == 0)
		status = read_prefix(value, &route->destination, &route->prefix, err);
	if (status == 0)
		status = read_byte(value, "type", &route->type, err);
	if (status == 0)
		status = read_byte(value, "scope", &route->scope, err);
	if (status == 0)
		status = read_byte(value, "protocol", &route->protocol, err);
	if (status == 0)
		status = read_number(value, "metric", UINT32_MAX, &route->metric, err);
	if (status == 0)
		status = read_number(value, "mtu", UINT32_MAX, &route->mtu, err);
	if (status == 0)
		status = read_ip(value, "source", false, &route->source, err);
	if (status == 0)
		status = read_list(value, "nexthops", &route->nexthops, &route->n_nexthops,
			sizeof(*route->nexthops), read_nexthop, err);
	return status;
}

int net_description_read(
	const char *text, size_t length, struct net_description *ret, struct error *err)
{
	_cleanup_(arena_free) struct arena arena = { 0 };
	struct net_description found = { 0 };
	struct json_value document;
	int status = json_parse(text, length, &arena, &document, err);

	if (status == 0 && document.type != JSON_OBJECT)
		status = error_say(err, EINVAL, "no object");
	if (status == 0)
		status = read_list(&document, "interfaces", &found.interfaces, &found.n_interfaces,
			sizeof(*found.interfaces), read_interface, err);
	if (status == 0)
		status = read_list(&document, "routes", &found.routes, &found.n_routes,
			sizeof(*found.routes), read_route, err);
	if (status < 0) {
		net_description_free(&found);
		return error_prefix(err, "description of the network");
	}
	*ret = found;
	return 0;
}
