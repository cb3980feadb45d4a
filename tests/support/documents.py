"""Office files, PDFs and books, made by the formats' own writers and not by what reads them."""

import datetime as dt
import io
import zipfile
from collections.abc import Sequence

import docx
import openpyxl
import pptx
from pptx.util import Inches
from reportlab.lib import pdfencrypt
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, Preformatted, SimpleDocTemplate, Table

_STYLES = getSampleStyleSheet()


def manual_pdf() -> bytes:
    """Four pages: a title, chapters, a table, code, a paragraph over two pages, and a foot on each page."""
    story = [Paragraph("Pump manual", _STYLES["Title"])]
    for chapter, torque in (("Installation", 17), ("Maintenance", 29), ("Disposal", 31)):
        story += [
            Paragraph(chapter, _STYLES["Heading2"]),
            Paragraph(
                f"The {chapter.lower()} is done by two people, who have read all of this. " * 3, _STYLES["BodyText"]
            ),
            Table([["Bolt", "Torque", "Key"], [f"{chapter}-A", str(torque), "ring"], [f"{chapter}-B", "4", "open"]]),
            Preformatted(f"pump --{chapter.lower()}\n    --slow", _STYLES["Code"]),
            PageBreak(),
        ]
    warranty = "the warranty ends when a seal was broken, which the wardens find out, and " * 120
    story.append(Paragraph(f"For {warranty} that is all.", _STYLES["BodyText"]))
    file = io.BytesIO()

    def foot(canvas: Canvas, _: object) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(60, 20, f"Confidential draft, page {canvas.getPageNumber()}")

    SimpleDocTemplate(file, pagesize=A4).build(story, onFirstPage=foot, onLaterPages=foot)
    return file.getvalue()


def columns_pdf(left: Sequence[str], right: Sequence[str], *, title: str) -> bytes:
    """Two columns of lines below a title across both, written line by line over both columns."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4)
    canvas.setFont("Helvetica-Bold", 18)
    canvas.drawString(60, 780, title)
    canvas.setFont("Times-Roman", 11)
    for at, pair in enumerate(zip(left, right, strict=True)):
        for x, line in zip((60, 310), pair, strict=True):
            canvas.drawString(x, 740 - 14 * at, line)
    canvas.save()
    return file.getvalue()


def drawing_pdf(pages: int = 1) -> bytes:
    """Pages with lines on them and no text, as of a scanner."""
    file = io.BytesIO()
    canvas = Canvas(file)
    for _ in range(pages):
        canvas.rect(50, 50, 200, 300)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def locked_pdf() -> bytes:
    """One that wants a password."""
    file = io.BytesIO()
    canvas = Canvas(file, encrypt=pdfencrypt.StandardEncryption("secret"))
    canvas.drawString(50, 700, "Nobody reads this.")
    canvas.save()
    return file.getvalue()


def policy_docx() -> bytes:
    """A title, two chapters, a list and a table."""
    document = docx.Document()
    document.add_heading("Holiday policy", 0)
    document.add_heading("Leave", 1)
    document.add_paragraph("Everybody has 27 days of leave.")
    document.add_paragraph("Ask your lead", style="List Bullet")
    document.add_heading("Grades", 2)
    rows = [["Grade", "Days | years"], ["Junior", "27"], ["Senior", "30"]]
    table = document.add_table(len(rows), 2)
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    document.add_heading("Sickness", 1)
    document.add_paragraph("Tell us before nine.")
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def roadmap_pptx() -> bytes:
    """Three slides: points with notes, a table, and one without a title."""
    deck = pptx.Presentation()
    deck.core_properties.title = "Plans of the harbour"
    points = deck.slides.add_slide(deck.slide_layouts[1])
    points.shapes.title.text = "Dredging"
    points.placeholders[1].text = "In spring\nIn autumn"
    points.notes_slide.notes_text_frame.text = "The dredger costs 400 crowns an hour."
    figures = deck.slides.add_slide(deck.slide_layouts[5])
    figures.shapes.title.text = "Depths"
    table = figures.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(5), Inches(1)).table
    for row, texts in enumerate([["Basin", "Metres"], ["North", "7.5"]]):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    untitled = deck.slides.add_slide(deck.slide_layouts[6])
    untitled.shapes.add_textbox(0, 0, Inches(4), Inches(1)).text_frame.text = "Questions to the harbour master"
    file = io.BytesIO()
    deck.save(file)
    return file.getvalue()


def prices_xlsx(rows: int = 300) -> bytes:
    """A long sheet, and one with a remark above its table and an empty row in it."""
    workbook = openpyxl.Workbook()
    prices = workbook.active
    prices.title = "Prices"
    prices.append(["Article", "Price EUR", "Since"])
    for number in range(rows):
        prices.append([f"Widget {number}", number + 0.5, dt.date(2024, 1, 1) + dt.timedelta(number)])
    staff = workbook.create_sheet("Staff & guests")
    for row in (["As of May"], ["Name", "Desk"], ["Ann", 12], [], ["Bo", 1234567890123456]):
        staff.append(row)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def book_epub(encrypted: str = "") -> bytes:
    """A book of two chapters and its own list of contents, as the standard lays it out.

    Args:
        encrypted: A file in it that is said to be encrypted.
    """
    chapters = {
        "one.xhtml": "<h1>The marsh</h1><p>It was dark &amp; wet.</p>",
        "two words.xhtml": "<h1>The tide</h1><p>At nine the tide came.</p><pre>ebb\n  flow</pre>",
        "nav.xhtml": "<nav><ol><li><a href='one.xhtml'>The marsh</a></li></ol></nav>",
    }
    items = "".join(
        f"<item id='i{at}' href='{name.replace(' ', '%20')}' media-type='application/xhtml+xml'"
        f"{' properties=' + chr(39) + 'nav' + chr(39) if name == 'nav.xhtml' else ''}/>"
        for at, name in enumerate(chapters)
    )
    package = (
        "<package xmlns='http://www.idpf.org/2007/opf' version='3.0'><metadata "
        "xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:title>Tales of the fen</dc:title></metadata>"
        f"<manifest>{items}</manifest>"
        "<spine><itemref idref='i2'/><itemref idref='i0'/><itemref idref='i1'/></spine></package>"
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr(
            "META-INF/container.xml",
            "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles>"
            "<rootfile full-path='OPS/package.opf'/></rootfiles></container>",
        )
        archive.writestr("OPS/package.opf", package)
        if encrypted:
            archive.writestr(
                "META-INF/encryption.xml",
                "<encryption xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><EncryptedData "
                "xmlns='http://www.w3.org/2001/04/xmlenc#'><CipherData>"
                f"<CipherReference URI='{encrypted}'/></CipherData></EncryptedData></encryption>",
            )
        for name, body in chapters.items():
            head = "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>No text</title></head>"
            archive.writestr(f"OPS/{name}", f"{head}<body>{body}</body></html>")
    return file.getvalue()


def bomb_docx() -> bytes:
    """A file of one megabyte that unpacks to 200."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("word/document.xml", b"<w>" + b" " * 200_000_000)
    return file.getvalue()
