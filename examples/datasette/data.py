#!/usr/bin/env python3
"""Writes data.db, a small company's customers, contacts, orders and invoices, for Datasette.

usage: data.py data.db [ORDERS]     ORDERS is how many, 600 by default

Needs python3 alone. The dates reach two years back from today.
"""
import datetime
import pathlib
import sqlite3
import sys

CUSTOMERS = [  # id, name, region, price list, discount in percent
    (1, "Acme Tools Ltd", "north", "A", 0.0), (2, "Blume & Söhne GmbH", "south", "B", 5.0),
    (3, "Café Zoë", "north", "A", 2.5), (4, 'Delta "Quick" Freight', "west", "C", 12.0),
]
CONTACTS = [
    ("ann", "Ann Lee"), ("ben", "Ben Hale"), ("kim", "Kim Larsen"),
]
PRODUCTS = [("bolt", 0.15), ("hinge", 4.2), ("drill", 89.0), ("saw", 34.5), ("glue", 6.99), ("crane hire", 1450.0)]
TABLES = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, region TEXT, price_list TEXT, discount NUMERIC(5,2));
CREATE TABLE contacts (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, name TEXT, email TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, ref TEXT NOT NULL, date DATE NOT NULL,
  product TEXT, quantity INTEGER, price NUMERIC(12,4), discount NUMERIC(5,2), amount NUMERIC(14,4), status TEXT);
CREATE TABLE invoices (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, ref TEXT NOT NULL, date DATE NOT NULL,
  total NUMERIC(14,4), paid INTEGER NOT NULL);
"""


def orders(count):
    today = datetime.date.today()
    for n in range(1, count + 1):
        customer = CUSTOMERS[n % len(CUSTOMERS)]
        product, price = PRODUCTS[(n * 5 + n // 11) % len(PRODUCTS)]
        price = round(price + n / 10000, 4)
        quantity = 1 + (n * 13) % 40
        amount = round(quantity * price * (1 - customer[4] / 100), 4)
        date = today - datetime.timedelta(days=(n * 17) % 720)
        status = ("open", "shipped", "paid", "cancelled")[(n * 3) % 4]
        yield (n, customer[0], f"O-{customer[0]}-{n:05}", date.isoformat(), product, quantity, price, customer[4], amount, status)


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 600
    pathlib.Path(sys.argv[1]).unlink(missing_ok=True)
    database = sqlite3.connect(sys.argv[1])
    database.executescript(TABLES)
    database.executemany("INSERT INTO customers VALUES (?,?,?,?,?)", CUSTOMERS)
    contacts = [(customer[0] * 10 + n, customer[0], name, f"{key}.{customer[0]}@customer.example")
                for customer in CUSTOMERS for n, (key, name) in enumerate(CONTACTS)]
    database.executemany("INSERT INTO contacts VALUES (?,?,?,?)", contacts)
    rows = list(orders(count))
    database.executemany("INSERT INTO orders VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
    bills = [(n, customer, ref.replace("O", "I"), date, amount, int(status == "paid"))
             for n, customer, ref, date, _, _, _, _, amount, status in rows if n % 3 == 0]
    database.executemany("INSERT INTO invoices VALUES (?,?,?,?,?,?)", bills)
    database.commit()


main()
