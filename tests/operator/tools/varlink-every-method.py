#!/usr/bin/env python3
"""Introspects a socket of homid with a client that shares no code with it, and calls every method that it finds. Each must
reply, or refuse with an error that its interface declares. Usage: varlink-every-method.py CLIENT SOCKET"""
import importlib.util
import json
import re
import sys

specification = importlib.util.spec_from_file_location('client', sys.argv[1])
module = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)

SAMPLES = {'int': 1, 'string': 'nothing', 'bool': False, 'object': {}, 'float': 1.0}
# A union is an object of optional members, one of which must be there.
UNIONS = {'MemorySource': {'memfd': {'fd': 0, 'offsetBytes': 0, 'lengthBytes': 4096}}}
failures = []


def split_fields(text):
    """The fields of "a: int, b: ?[]string, c: (d: int)" at the outer level."""
    depth, field, fields = 0, '', []
    for character in text:
        depth += {'(': 1, ')': -1}.get(character, 0)
        if character == ',' and depth == 0:
            fields.append(field)
            field = ''
        else:
            field += character
    return [f for f in fields + [field] if f.strip()]


def sample(kind, types):
    kind = kind.strip()
    if kind.startswith('[]'):
        return []
    if kind.startswith('(') and ':' in kind:
        return parameters(kind[1:-1], types)
    if kind.startswith('('):
        return kind[1:-1].split(',')[0].strip()
    if kind in UNIONS:
        return UNIONS[kind]
    return SAMPLES[kind] if kind in SAMPLES else sample(types[kind], types)


def parameters(text, types):
    """One value for every field that must be there."""
    pairs = [field.split(':', 1) for field in split_fields(text)]
    return {name.strip(): sample(kind, types) for name, kind in pairs if not kind.strip().startswith('?')}


def balanced(text, at):
    """The text in the parentheses that open at `at`."""
    depth, begin = 0, at
    while True:
        depth += {'(': 1, ')': -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            return text[begin + 1:at - 1]


def call(path, method, values):
    """What became of one call, on a connection of its own."""
    client = module.Client(path)
    client.socket.settimeout(20)
    try:
        if method.endswith('.Monitor'):
            client.send(method, values, more=True)
            return 'streams'
        client.call(method, values)
        return 'replies'
    except module.Error as error:
        return error.args[0]


def check_interface(path, interface, description):
    text = re.sub(r'#.*', '', description)
    types = {m.group(1): '(' + balanced(text, m.end() - 1) + ')' for m in re.finditer(r'type\s+(\w+)\s*\(', text)}
    errors = {'%s.%s' % (interface, name) for name in re.findall(r'error\s+(\w+)', text)}
    count = 0
    for found in re.finditer(r'method\s+(\w+)\s*\(', text):
        method = '%s.%s' % (interface, found.group(1))
        values = parameters(balanced(text, found.end() - 1), types)
        outcome = call(path, method, values)
        count += 1
        print('%-48s %s' % (method, outcome))
        if outcome not in ('replies', 'streams') and outcome not in errors:
            failures.append('%s(%s): %s' % (method, json.dumps(values), outcome))
    return count


def main(path):
    client = module.Client(path)
    information = client.call('org.varlink.service.GetInfo')
    if information['product'] != 'homid' or not information['interfaces']:
        failures.append('GetInfo: %s' % information)
    for interface in information['interfaces']:
        description = client.call('org.varlink.service.GetInterfaceDescription', {'interface': interface})['description']
        if not check_interface(path, interface, description) and 'method' in description:
            failures.append('%s: no method found' % interface)
    try:
        client.call('io.homi.Nothing.AtAll')
        failures.append('a method that is not there replies')
    except module.Error as error:
        if error.args[0] not in ('org.varlink.service.InterfaceNotFound', 'org.varlink.service.MethodNotFound'):
            failures.append('a method that is not there: %s' % error.args[0])


main(sys.argv[2])
for failure in failures:
    print('FAIL: ' + failure)
sys.exit(1 if failures else 0)
