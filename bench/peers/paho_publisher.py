"""What people write on a device: Paho, one connection with a certificate, a reading a second with QoS 1.

No spool: what the network loses, or a kill, is lost.
"""

import argparse
import json
import secrets
import time

import paho.mqtt.client as mqtt


def new_client(name):
    try:  # Paho 2
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
    except AttributeError:
        return mqtt.Client(client_id=name, protocol=mqtt.MQTTv5)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certs", required=True)
    parser.add_argument("--name", required=True)
    arguments = parser.parse_args()
    client = new_client(arguments.name)
    client.tls_set(f"{arguments.certs}/ca.pem", f"{arguments.certs}/cert.pem", f"{arguments.certs}/key.pem")
    client.connect("localhost", arguments.port)
    client.loop_start()
    stream = secrets.token_hex(8)
    seq = 0
    while True:
        seq += 1
        reading = {"t": int(time.time() * 1000), "temperature_c": 21.5, "setpoint_c": 21.0, "hvac": "idle"}
        body = {"v": 1, "stream": stream, "seq": seq, "readings": [reading]}
        client.publish(f"ph/v1/{arguments.name}/telemetry", json.dumps(body), qos=1)
        time.sleep(1)


if __name__ == "__main__":
    main()
