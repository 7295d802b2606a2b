#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A Varlink client in Python's standard library, for homi.varlink(7):

    varlink-client.py SOCKET                            the interfaces that the socket serves
    varlink-client.py SOCKET INTERFACE                  the definition of one
    varlink-client.py SOCKET METHOD [PARAMETERS]        a call; PARAMETERS is a JSON object
    varlink-client.py --more SOCKET METHOD [PARAMETERS] a reply a line, until interrupted
"""
import json
import socket
import sys


class Error(Exception):
    """A Varlink error: its name and its parameters."""


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.received = b''

    def receive(self):
        """One message: JSON that ends in a NUL byte."""
        while b'\0' not in self.received:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError('the peer hung up')
            self.received += data
        message, self.received = self.received.split(b'\0', 1)
        reply = json.loads(message)
        if 'error' in reply:
            raise Error(reply['error'], reply.get('parameters', {}))
        return reply

    def send(self, method, parameters=None, **flags):
        message = {'method': method, 'parameters': parameters or {}, **flags}
        self.socket.sendall(json.dumps(message).encode() + b'\0')

    def call(self, method, parameters=None):
        self.send(method, parameters)
        return self.receive().get('parameters', {})

    def call_more(self, method, parameters=None):
        self.send(method, parameters, more=True)
        while True:
            reply = self.receive()
            yield reply.get('parameters', {})
            if not reply.get('continues'):
                return


def main(arguments):
    more = arguments[:1] == ['--more']
    if more:
        del arguments[0]
    if not 1 <= len(arguments) <= 3:
        sys.exit(__doc__)
    client = Client(arguments[0])
    parameters = json.loads(arguments[2]) if len(arguments) == 3 else None
    try:
        if len(arguments) == 1:
            print('\n'.join(client.call('org.varlink.service.GetInfo')['interfaces']))
        elif not arguments[1].rpartition('.')[2][:1].isupper() or arguments[1] in (
                client.call('org.varlink.service.GetInfo')['interfaces']):
            described = client.call('org.varlink.service.GetInterfaceDescription', {'interface': arguments[1]})
            print(described['description'], end='')
        elif more:
            for reply in client.call_more(arguments[1], parameters):
                print(json.dumps(reply), flush=True)
        else:
            print(json.dumps(client.call(arguments[1], parameters), indent=2))
    except Error as error:
        sys.exit('%s %s' % (error.args[0], json.dumps(error.args[1])))


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        pass
