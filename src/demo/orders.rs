//! What the sample app knows: three customers, their orders and their people, in memory.
//!
//! Fixed data, so that every run of the demo shows the same screens and a test can name an order. Amounts are whole cents.

/// An organisation that buys from the sample shop.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) city: &'static str,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Open,
    Shipped,
    Delivered,
}

impl Status {
    /// The word on the page and in JSON.
    pub(super) fn word(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Shipped => "shipped",
            Status::Delivered => "delivered",
        }
    }
}

/// One line of an order.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) item: &'static str,
    pub(super) quantity: u64,
    unit_cents: u64,
}

impl Line {
    /// The price of one.
    pub(super) fn unit(&self) -> u64 {
        self.unit_cents
    }

    /// Quantity times unit price.
    pub(super) fn cents(&self) -> u64 {
        self.quantity * self.unit_cents
    }
}

/// One order of one customer.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) number: u32,
    pub(super) customer: &'static str,
    pub(super) date: &'static str,
    pub(super) status: Status,
    pub(super) lines: &'static [Line],
}

impl Order {
    /// What the whole order costs.
    pub(super) fn cents(&self) -> u64 {
        self.lines.iter().map(Line::cents).sum()
    }

    /// The month of the order, as `2026-03`.
    pub(super) fn month(&self) -> &'static str {
        self.date.get(..7).unwrap_or(self.date)
    }
}

/// Somebody at a customer, as the shop's own address book has them.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) job: &'static str,
    pub(super) email: &'static str,
    pub(super) customer: &'static str,
}

/// Every customer of the shop.
pub(super) fn customers() -> &'static [Customer] {
    CUSTOMERS
}

/// The customer with this id.
pub(super) fn customer(id: &str) -> Option<&'static Customer> {
    CUSTOMERS.iter().find(|customer| customer.id == id)
}

/// The orders of one customer, newest first; with no customer named, everybody's: that is how staff see them.
pub(super) fn orders_of(customer: Option<&str>) -> Vec<&'static Order> {
    ORDERS.iter().filter(|order| customer.is_none_or(|id| order.customer == id)).collect()
}

/// One order, if this customer may see it.
pub(super) fn order_of(customer: Option<&str>, number: u32) -> Option<&'static Order> {
    ORDERS.iter().find(|order| order.number == number && customer.is_none_or(|id| order.customer == id))
}

/// The people of one customer, or everybody.
pub(super) fn people_of(customer: Option<&str>) -> Vec<&'static Person> {
    PEOPLE.iter().filter(|person| customer.is_none_or(|id| person.customer == id)).collect()
}

/// Cents as people read them: `1,234.50`.
pub(super) fn money(cents: u64) -> String {
    let whole = (cents / 100).to_string();
    let mut grouped = String::with_capacity(whole.len() + whole.len() / 3);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}.{:02}", cents % 100)
}

const CUSTOMERS: &[Customer] = &[
    Customer { id: "1001", name: "Acme Industries", city: "Rotterdam" },
    Customer { id: "1002", name: "Borealis Foods", city: "Tampere" },
    Customer { id: "1003", name: "Café Lumière", city: "Lyon" },
];

const fn line(item: &'static str, quantity: u64, unit_cents: u64) -> Line {
    Line { item, quantity, unit_cents }
}

const ORDERS: &[Order] = &[
    Order {
        number: 2051,
        customer: "1001",
        date: "2026-06-18",
        status: Status::Open,
        lines: &[line("Hex bolt M12 × 80, box of 50", 12, 3_450), line("Spring washer M12, box of 200", 6, 1_180)],
    },
    Order {
        number: 2049,
        customer: "1002",
        date: "2026-06-15",
        status: Status::Open,
        lines: &[line("Insulated crate, 60 l", 40, 4_890), line("Cold pack, reusable", 160, 240)],
    },
    Order {
        number: 2046,
        customer: "1001",
        date: "2026-06-04",
        status: Status::Shipped,
        lines: &[line("Torque wrench 40–200 Nm", 2, 14_900)],
    },
    Order {
        number: 2044,
        customer: "1003",
        date: "2026-05-29",
        status: Status::Shipped,
        lines: &[line("Pendant lamp, brass", 8, 11_250), line("Table, marble, 70 cm", 4, 26_400)],
    },
    Order {
        number: 2040,
        customer: "1001",
        date: "2026-05-21",
        status: Status::Delivered,
        lines: &[line("Bearing 6204-2RS", 120, 415), line("Grease cartridge 400 g", 24, 690)],
    },
    Order {
        number: 2037,
        customer: "1002",
        date: "2026-05-11",
        status: Status::Delivered,
        lines: &[line("Shelf, stainless, 120 cm", 10, 15_900)],
    },
    Order {
        number: 2033,
        customer: "1001",
        date: "2026-04-27",
        status: Status::Delivered,
        lines: &[line("Steel profile 40 × 40, 6 m", 30, 5_275), line("Corner bracket 40", 120, 185)],
    },
    Order {
        number: 2029,
        customer: "1003",
        date: "2026-04-16",
        status: Status::Delivered,
        lines: &[line("Chair, bentwood", 24, 8_950)],
    },
    Order {
        number: 2024,
        customer: "1002",
        date: "2026-04-02",
        status: Status::Delivered,
        lines: &[line("Label printer ribbon", 60, 720), line("Pallet wrap, 500 m", 18, 1_340)],
    },
    Order {
        number: 2018,
        customer: "1001",
        date: "2026-03-19",
        status: Status::Delivered,
        lines: &[line("Cutting disc 125 mm, box of 25", 40, 2_160)],
    },
    Order {
        number: 2011,
        customer: "1003",
        date: "2026-03-03",
        status: Status::Delivered,
        lines: &[line("Espresso cup, set of 6", 30, 2_480), line("Carafe, 1 l", 12, 1_590)],
    },
];

const PEOPLE: &[Person] = &[
    Person { name: "Bea Novak", job: "Goods inwards", email: "bea@acme.example", customer: "1001" },
    Person { name: "Oscar Lind", job: "Planner", email: "oscar@acme.example", customer: "1001" },
    Person { name: "Priya Raman", job: "Buyer", email: "priya@acme.example", customer: "1001" },
    Person { name: "Bill Okafor", job: "Accounts payable", email: "bill@acme.example", customer: "1001" },
    Person { name: "Ada Meyer", job: "Office manager", email: "ada@acme.example", customer: "1001" },
    Person { name: "Olga Brandt", job: "Managing director", email: "olga@acme.example", customer: "1001" },
    Person { name: "Hana Virtanen", job: "Head of Purchasing", email: "hana@borealis.example", customer: "1002" },
    Person { name: "Nils Aalto", job: "Trainee", email: "nils@borealis.example", customer: "1002" },
    Person { name: "Zoé Lumière", job: "Owner", email: "zoe@lumiere.example", customer: "1003" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_grouped_by_thousands() {
        for (cents, shown) in [(0, "0.00"), (5, "0.05"), (123_450, "1,234.50"), (100_000_000, "1,000,000.00")] {
            assert_eq!(money(cents), shown);
        }
    }

    #[test]
    fn every_order_and_person_belongs_to_a_customer_that_exists() {
        for id in ORDERS.iter().map(|order| order.customer).chain(PEOPLE.iter().map(|person| person.customer)) {
            assert!(customer(id).is_some(), "{id}");
        }
    }

    #[test]
    fn an_order_of_another_customer_is_not_found() {
        assert!(order_of(Some("1001"), 2051).is_some());
        assert!(order_of(Some("1002"), 2051).is_none());
        assert!(order_of(None, 2051).is_some());
    }
}
