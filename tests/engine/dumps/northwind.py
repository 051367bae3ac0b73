"""A trading company in small: the tables, the references and the kinds of views of the Northwind sample database.

That database is Microsoft's public sample (https://github.com/microsoft/sql-server-samples, MIT licence); its table and
column names are used here, the rows and the views' texts are this project's own.
"""

from __future__ import annotations

TABLES = (
    "create table Categories (CategoryID integer primary key autoincrement, CategoryName text not null, Picture)",
    "create table Customers (CustomerID text primary key, CompanyName text not null, City text, Country text)",
    "create table Regions (RegionID integer primary key, RegionDescription text not null)",
    "create table Territories (TerritoryID text primary key, TerritoryDescription text not null,"
    " RegionID int not null references Regions (RegionID))",
    "create table Employees (EmployeeID integer primary key autoincrement, LastName text, FirstName text,"
    " BirthDate DATE, ReportsTo int references Employees (EmployeeID))",
    "create table EmployeeTerritories (EmployeeID int not null references Employees (EmployeeID),"
    " TerritoryID text not null references Territories (TerritoryID), primary key (EmployeeID, TerritoryID))",
    "create table Shippers (ShipperID integer primary key autoincrement, CompanyName text not null)",
    "create table Suppliers (SupplierID integer primary key autoincrement, CompanyName text not null, HomePage text)",
    "create table Products (ProductID integer primary key autoincrement, ProductName text not null,"
    " SupplierID int references Suppliers (SupplierID), CategoryID int references Categories (CategoryID),"
    " UnitPrice NUMERIC(10, 2) default 0 check (UnitPrice >= 0), UnitsInStock int default 0, Discontinued BOOLEAN)",
    "create table Orders (OrderID integer primary key autoincrement, CustomerID text references Customers (CustomerID),"
    " EmployeeID int references Employees (EmployeeID), OrderDate DATE, ShippedDate DATE,"
    " ShipVia int references Shippers (ShipperID), Freight NUMERIC(10, 2) default 0)",
    "create table `Order Details` (OrderID int not null references Orders (OrderID) on delete cascade,"
    " ProductID int not null references Products (ProductID), UnitPrice NUMERIC(10, 2), Quantity int default 1,"
    " Discount real default 0 check (Discount between 0 and 1),"
    " Total as (round(UnitPrice * Quantity * (1 - Discount), 2)) virtual, primary key (OrderID, ProductID))",
    "create index `Products by name` on Products (ProductName)",
    "create index OrdersShipped on Orders (ShippedDate) where ShippedDate is not null",
)
ROWS = (
    "insert into Categories (CategoryName, Picture) values ('Ronono', x'89504e47'), ('Voankazo', null), ('Vary', x'')",
    "insert into Customers values ('SOAVA', 'Épicerie Soavadia', 'Antsirabe', 'Madagasikara'),"
    " ('OBRYN', 'O''Brien & Sons; Ltd', 'Cork', 'Ireland')",
    "insert into Regions values (1, 'Avaratra'), (2, 'Atsimo')",
    "insert into Territories values ('101', 'Antananarivo', 1), ('601', 'Toliara', 2)",
    "insert into Employees values (1, 'Rabe', 'Jean', '1970-02-03', 3), (2, 'Soa', 'Lalao', '1985-11-30', 1),"
    " (3, 'Ranaivo', 'Hery', null, null)",
    "insert into EmployeeTerritories values (1, '101'), (1, '601'), (2, '601')",
    "insert into Shippers (CompanyName) values ('Taxi-brousse'), ('Lakana')",
    "insert into Suppliers (CompanyName, HomePage) values ('Tantsaha', 'http://example.mg/#\nhoe')",
    "insert into Products (ProductName, SupplierID, CategoryID, UnitPrice, UnitsInStock, Discontinued)"
    " values ('Yaourt', 1, 1, 2.5, 17, false), ('Letchi', 1, 2, 0.1, 4000, false),"
    " ('Vary mena', null, 3, 1.99, 0, true)",
    "insert into Orders (CustomerID, EmployeeID, OrderDate, ShippedDate, ShipVia, Freight)"
    " values ('SOAVA', 2, '2026-01-05', '2026-01-09', 1, 12.75), ('OBRYN', 1, '2026-02-01', null, 2, 0),"
    " ('SOAVA', 2, '2026-02-02', null, 1, 3.1)",
    "insert into `Order Details` (OrderID, ProductID, UnitPrice, Quantity, Discount)"
    " values (1, 1, 2.5, 10, 0), (1, 2, 0.1, 500, 0.25), (2, 3, 1.99, 3, 0), (3, 1, 2.4, 1, 0)",
    "delete from Orders where OrderID = 3",
)
VIEWS = (
    "create view `Current Product List` as select ProductID, ProductName from Products where Discontinued = false",
    "create view `Order Subtotals` as select OrderID, sum(Total) as Subtotal from `Order Details` group by OrderID",
    "create view Invoices as select Orders.OrderID, CompanyName, Subtotal, Freight from Orders"
    " join Customers on Orders.CustomerID = Customers.CustomerID"
    " join `Order Subtotals` as Subtotals on Subtotals.OrderID = Orders.OrderID",
    "create view `Alphabetical list of products` as select Products.*, CategoryName from Categories"
    " join Products on Categories.CategoryID = Products.CategoryID",
    "create view `Product Sales for 2026` as select CategoryName, ProductName, sum(Total) as ProductSales"
    " from `Alphabetical list of products` as list join `Order Details` on `Order Details`.ProductID = list.ProductID"
    " group by CategoryName, ProductName",
    "create view `Category Sales for 2026` as select CategoryName, sum(ProductSales) as CategorySales"
    " from `Product Sales for 2026` group by CategoryName",
    "create view `Sales by Year` as select ShippedDate, OrderID, (select Subtotal from `Order Subtotals` as s"
    " where s.OrderID = Orders.OrderID) as Subtotal from Orders where ShippedDate is not null",
    "create view `Products Above Average Price` as select ProductName, UnitPrice from Products"
    " where UnitPrice > (select avg(UnitPrice) from Products)",
    "create view Chain as with recursive up (EmployeeID, level) as (select EmployeeID, 0 from Employees"
    " where ReportsTo is null union all select e.EmployeeID, level + 1 from Employees as e"
    " join up on e.ReportsTo = up.EmployeeID) select * from up",
)
#: All that makes it.
NORTHWIND = (*TABLES, *ROWS, *VIEWS)
